-- Runs what README.md shows.  A ```lua block is a program; a ```text block right after it
-- is all that it prints.  A ```c block is a host program.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- The fenced blocks in order: `lang`, `text`, `line` and, for a program, its `output`.
local function read_blocks(path)
  local blocks, block, number = {}, nil, 0
  local before -- the block that nothing but empty lines separates from here
  for line in io.lines(path) do
    number = number + 1
    local lang = line:match '^```(%w*)$'
    if block and lang then
      if block.lang == 'text' and before then
        before.output = block.text
      end
      before, block = block, nil
    elseif block then
      block.text = block.text .. line .. '\n'
    elseif lang then
      block = { lang = lang, text = '', line = number }
      blocks[#blocks + 1] = block
    elseif line ~= '' then
      before = nil
    end
  end
  return blocks
end

-- What the build that is being tested needs besides.
local function build_flags(build)
  if os.getenv 'LCP_TEST_HOST' then
    return '-fsanitize=address,undefined'
  end
  return build:find '/coverage[^/]*$' and '--coverage' or ''
end

local COMPILE = [[
  cd "$1" && cc $3 -I "$4/csrc" $(pkg-config --cflags lua5.4 libuv) host.c -o host \
    "$2/libchild_process.a" $(pkg-config --libs lua5.4 libuv) -lm -lpthread &&
    LUA_PATH_5_4="$4/lua/?.lua;$4/lua/?/init.lua" exec ./host
]]

-- Compiles a host program and runs it, with all that is left behind in an empty folder.
local function run_c(text)
  local folder = t.tmpdir()
  t.write_file(folder .. '/host.c', text)
  local core = assert(package.searchpath('child_process.core', package.cpath))
  local build = core:match '^(.*)/child_process/core%.so$'
  if build:sub(1, 1) ~= '/' then
    build = t.root .. '/' .. build
  end
  local args = { '-c', COMPILE, 'sh', folder, build, build_flags(build), t.root }
  return cp.execFile('sh', args):wait(t.TEST_TIMEOUT)
end

local function run_lua(text)
  local path = t.write_file(t.tmpdir() .. '/program.lua', text)
  return cp.execFile(t.lua(path)):wait(t.TEST_TIMEOUT)
end

local runners = { lua = run_lua, c = run_c }

describe('README.md', function()
  for _, block in ipairs(read_blocks 'README.md') do
    local run = runners[block.lang]
    if run then
      it(('is right in line %d'):format(block.line), function()
        local result = run(block.text)
        assert.equal('', result.stderr)
        assert.equal(0, result.code)
        assert.equal(block.output or result.stdout, result.stdout)
      end)
    end
  end
end)
