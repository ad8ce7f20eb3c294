--- What the pictures of the documentation have in common: SVG as text, in colours that
-- are readable on a light and on a dark page.
local M = {}

M.COLOURS = {
  text = '#57606a',
  line = '#8c959f',
  blue = '#4c8eda',
  green = '#3fa372',
  orange = '#d9822b',
  red = '#cf4a4a',
  grey = '#a0a8b0',
}

local ESCAPES = { ['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;' }

local function escaped(text)
  return (tostring(text):gsub('[&<>"]', ESCAPES))
end

--- svg.element(name, attributes [, content]) -> string; `content` is text to be escaped,
-- or { markup }.
function M.element(name, attributes, content)
  local parts, keys = { '<' .. name }, {}
  for key in pairs(attributes) do
    keys[#keys + 1] = key
  end
  table.sort(keys) -- the same picture gives the same bytes
  for _, key in ipairs(keys) do
    local value = attributes[key]
    if math.type(value) == 'float' then
      value = ('%.1f'):format(value)
    end
    parts[#parts + 1] = (' %s="%s"'):format(key, escaped(value))
  end
  if not content then
    return table.concat(parts) .. '/>'
  end
  local inner = type(content) == 'table' and content[1] or escaped(content)
  return ('%s>%s</%s>'):format(table.concat(parts), inner, name)
end

--- svg.label(x, y, text [, attributes]) -> string
function M.label(x, y, text, attributes)
  local all = { x = x, y = y, fill = M.COLOURS.text }
  for key, value in pairs(attributes or {}) do
    all[key] = value
  end
  return M.element('text', all, text)
end

--- svg.document(width, height, title, parts) -> string
function M.document(width, height, title, parts)
  local attributes = {
    xmlns = 'http://www.w3.org/2000/svg',
    viewBox = ('0 0 %d %d'):format(width, height),
    width = width,
    height = height,
    ['font-family'] = 'ui-sans-serif, system-ui, sans-serif',
    ['font-size'] = 12,
    role = 'img',
  }
  local body = M.element('title', {}, title) .. '\n' .. table.concat(parts, '\n')
  return M.element('svg', attributes, { '\n' .. body .. '\n' }) .. '\n'
end

return M
