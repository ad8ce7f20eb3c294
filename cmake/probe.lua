-- Compiled by the Lua of the build and again by the Lua that loads the module: if both
-- make the same bytes of it, either runs what the other has compiled, see
-- csrc/compiled.c.  So every kind of instruction is in here, once, as it costs a little
-- of each start; it is never run.
-- luacheck: ignore
local a, b, t = ..., nil, { 1, ... }
a.x, t[1], t[a] = t.x, t[a], t[1]
local f = function(x, ...)
  a = { x + 2.5, x - 2.5, x * 3, x % 3, x ^ 3, x / 3, x // 3, x & 3, x | 3, x ~ 3 }
  a = { x + a, x - a, x * a, x % a, x ^ a, x / a, x // a, x & a, x | a, x ~ a, x << a }
  y = { x >> a, 1 << x, x >> 1, x + 1, -x, ~x, not x, #x, x .. y, x == y, x ~= nil }
  x = { 2.0, 0.1, true, false, ... }
  return x:m(...)
end
for i = 1, a do
  local g <close> = function()
    return i
  end
end
for k, v in f(a) do
  if k == 'k' or k == v or k < v or k <= v or k == 1 then
    b = k and v or not v
  elseif k < 1 or k <= 1 or k > 1 or k >= 1 then
    break
  end
end
if b then
  return
end
return b
