--- What the specs of the documentation read in a Markdown file: fenced blocks, headings
-- and links.
local M = {}

-- The name of a file, alone in a comment of the first line.
local FILE_COMMENTS = {
  '^%-%- ([%w_.-]+%.%w+)$',
  '^# ([%w_.-]+%.%w+)$',
  '^// ([%w_.-]+%.%w+)$',
  '^/%* ([%w_.-]+%.%w+) %*/$',
}

local function file_name(text)
  local first = text:match '^[^\n]*'
  for _, pattern in ipairs(FILE_COMMENTS) do
    local name = first:match(pattern)
    if name then
      return name
    end
  end
end

-- What a line outside of blocks says of the block above it.
local function note(block, line)
  if line ~= '' and block and not block.followed then
    block.followed = true
    block.reason = line:match '^Not run: (.+)$'
  end
end

local function close_block(block, before)
  if block.lang == 'text' and before and not before.followed then
    before.output, block.is_output = block.text, true
  else
    block.file = file_name(block.text)
  end
end

--- markdown.blocks(path) -> array of the fenced blocks, in order: `lang`, `text`, `line`;
-- `output`: the ```text block that follows with nothing in between; `file`: the name in
-- its first line; `reason`: of a line `Not run: …` below it.
function M.blocks(path)
  local blocks, open, before, number = {}, nil, nil, 0
  for line in io.lines(path) do
    number = number + 1
    local lang = line:match '^```(%w*)$'
    if open and lang then
      close_block(open, before)
      before, open = open, nil
    elseif open then
      open.text = open.text .. line .. '\n'
    elseif lang then
      open = { lang = lang, text = '', line = number }
      blocks[#blocks + 1] = open
    else
      note(before, line)
    end
  end
  assert(not open, path .. ': a block that does not end')
  return blocks
end

-- Lines outside of blocks, with their numbers.
local function prose(path)
  local lines, inside, number = {}, false, 0
  for line in io.lines(path) do
    number = number + 1
    if line:find '^```' then
      inside = not inside
    elseif not inside then
      lines[#lines + 1] = { text = line, line = number }
    end
  end
  return lines
end

M.prose = prose

-- As GitHub makes it of a heading.
local function anchor(heading)
  local text = heading:lower():gsub('[^%w%s_-]', ''):gsub(' ', '-')
  return text
end

--- markdown.headings(path) -> array of `text` (without backquotes), `level`, `line`, and
-- the set of anchors.
function M.headings(path)
  local list, anchors = {}, {}
  for _, line in ipairs(prose(path)) do
    local marks, text = line.text:match '^(#+) (.+)$'
    if marks then
      text = text:gsub('`', '')
      list[#list + 1] = { text = text, level = #marks, line = line.line }
      anchors[anchor(text)] = true
    end
  end
  return list, anchors
end

--- markdown.links(path) -> array of `target`, `line`.
function M.links(path)
  local list = {}
  for _, line in ipairs(prose(path)) do
    for target in line.text:gmatch '%]%(([^()%s]+)%)' do
      list[#list + 1] = { target = target, line = line.line }
    end
  end
  return list
end

return M
