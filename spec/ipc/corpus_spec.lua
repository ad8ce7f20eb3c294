-- The inputs that the fuzzer keeps (scripts/fuzz), for every build and every day: what
-- is read of them goes out again the same, the rest is refused, also where it is cut off.
local advanced = require 'child_process.ipc.advanced'
local json = require 'child_process.ipc.json'
local lfs = require 'lfs'
local t = require 'spec.helper'
local values = require 'spec.support.values'
local it = t.wrap(it)

local SHORT = 256 -- bytes: those that are also cut off everywhere

local function inputs(name)
  local folder, list = t.root .. '/spec/fuzz/corpus/' .. name, {}
  for file in lfs.dir(folder) do
    if not file:find '^%.' then
      list[#list + 1] = t.slurp(folder .. '/' .. file)
    end
  end
  assert.is_true(#list > 100, folder)
  -- valgrind is slow
  return table.move(list, 1, t.watched_by() == 'valgrind' and 20 or #list, 1, {})
end

-- What `codec` makes of it: encoded again, or nil if it is refused; and the value.
local function again(codec, payload)
  local ok, value = pcall(codec.decode, payload)
  if not ok then
    assert.is_true(value.code == 'ERR_IPC_INVALID_MESSAGE' or value.name == 'SyntaxError')
    return nil
  end
  local sent, text = pcall(codec.encode, value)
  assert.is_true(sent or text.code == 'ERR_INVALID_ARG_VALUE', text)
  return sent and text or nil, value
end

for name, codec in pairs { json = json, v8 = advanced } do
  describe('what the fuzzer has kept for ' .. name, function()
    it('is refused, or is the same after there and back', function()
      for _, payload in ipairs(inputs(name)) do
        local first = again(codec, payload)
        if first then
          local second, once = again(codec, first)
          local third, twice = again(codec, second)
          assert.equal(#first, #second) -- the keys of a table have no order
          assert.equal(#second, #third)
          assert(values.same(once, twice))
        end
      end
    end)

    it('is refused, or taken, wherever it is cut off', function()
      for _, payload in ipairs(inputs(name)) do
        for size = 0, math.min(#payload, SHORT) - 1 do
          again(codec, payload:sub(1, size))
        end
      end
    end)
  end)
end
