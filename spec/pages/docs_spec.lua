-- Runs what README.md and docs/ show.
--
-- A ```lua block is a program, run in a folder of its own; a ```text block right below is
-- all that it prints (… stands for anything within a line).  ```sh, ```js and ```python
-- run as well.  A first line that is only a comment with a file's name makes the block a
-- file for the blocks below it.  What needs a program or library that is not here is
-- skipped, and what cannot run at all says so below: `Not run: REASON`.
local lfs = require 'lfs'
local machine = require 'spec.support.machine'
local markdown = require 'spec.support.markdown'
local t = require 'spec.helper'
local cp = t.cp

local function pages()
  local list = { 'README.md' }
  for name in lfs.dir 'docs' do
    if name:find '%.md$' then
      list[#list + 1] = 'docs/' .. name
    end
  end
  table.sort(list)
  return list
end

-- Running -------------------------------------------------------------------------------

-- `lua5.4` and `cc` on a shell's path are those of the build, and so is pkg-config's.
local function add_tools(folder)
  local compiler = cp.execSync('command -v cc', { encoding = 'utf8' }):match '%S+'
  local cc = ('#!/bin/sh\nexec %s %s "$@"\n'):format(compiler, t.build_flags())
  local lua = ('#!/bin/sh\nexec "%s" "$@"\n'):format(t.lua_exe)
  assert(lfs.mkdir(folder .. '/.bin'))
  t.write_file(folder .. '/.bin/cc', cc, '+x')
  t.write_file(folder .. '/.bin/lua5.4', lua, '+x')
end

-- What a shell needs to build against the installed library.
local function install(folder, env)
  local args = { '--install', t.build, '--prefix', folder .. '/.installed' }
  local result = cp.execFile('cmake', args):wait(t.TEST_TIMEOUT)
  assert.equal('', result.stderr)
  env.CMAKE_PREFIX_PATH = args[4]
  local modules = args[4] .. '/lib/pkgconfig'
  env.PKG_CONFIG_PATH = modules .. ':' .. (env.PKG_CONFIG_PATH or '')
  local lua = 'lua' .. _VERSION:match '[%d.]+'
  if lua ~= 'lua5.4' then
    local alias = 'Name: Lua\nDescription: Lua\nVersion: 5\nRequires: %s\n'
    t.write_file(modules .. '/lua5.4.pc', alias:format(lua))
  end
end

local function environment(folder)
  local env = {}
  for name, value in pairs(cp.process.env) do
    env[name] = value
  end
  env.LUA_PATH_5_4, env.LUA_CPATH_5_4 = t.module_paths()
  env.PATH = folder .. '/.bin:' .. env.PATH
  return env
end

local COMMANDS = {
  lua = { t.lua_exe, 'program.lua' },
  sh = { 'sh', '-eu', 'program.sh' },
  js = { 'node', 'program.js' },
  python = { 'python3', 'program.py' },
}

-- luaposix is not packaged for Lua 5.4.
local function command_of(block)
  if block.lang == 'lua' and block.text:find "require 'posix" then
    return { 'lua5.1', 'program.lua' }
  end
  return COMMANDS[block.lang]
end

local function write_files(folder, blocks, block)
  for _, other in ipairs(blocks) do
    if other.line < block.line and other.file then
      t.write_file(folder .. '/' .. other.file, other.text)
    end
  end
end

local function run(blocks, block)
  local folder = t.tmpdir()
  write_files(folder, blocks, block)
  add_tools(folder)
  local command = command_of(block)
  t.write_file(folder .. '/' .. command[#command], block.text)
  local args = table.move(command, 2, #command, 1, {})
  local env = environment(folder)
  if block.lang == 'sh' and block.text:find 'cc%s' or block.text:find 'cmake' then
    install(folder, env)
  end
  local options = { cwd = folder, env = env }
  return cp.execFile(command[1], args, options):wait(t.TEST_TIMEOUT)
end

-- What is here --------------------------------------------------------------------------

local found = {}

local function succeeds(command)
  if found[command] == nil then
    found[command] = os.execute(command .. ' >/dev/null 2>&1') or false
  end
  return found[command]
end

-- Options that uv_spawn cannot do.
local LINUX_ONLY = {
  'cgroup',
  'groups',
  'killDescendants',
  'nice',
  'noNewPrivs',
  'parentDeathSignal',
  'processGroup',
  'pty',
  'rlimits',
  'umask',
}

local function impossible_option(block)
  if block.text:find '%f[%w]pty = ' and machine.lacks 'terminals' then
    return 'a terminal'
  end
  for _, option in ipairs(LINUX_ONLY) do
    if t.backend() == 'uv' and block.text:find('%f[%w]' .. option .. ' = ') then
      return ("the option '%s'"):format(option)
    end
  end
end

-- Why a block cannot be run on this machine, or nil.
local function missing(block)
  local program, option = command_of(block)[1], impossible_option(block)
  if option then
    return option
  elseif block.text:find("'node'", 1, true) and not succeeds 'command -v node' then
    return 'node'
  elseif not succeeds(('command -v %s'):format(program)) then
    return program
  end
  for name in block.text:gmatch "require '([%w_.]+)'" do
    local is_foreign = block.lang == 'lua' and not name:find '^child_process'
    if is_foreign and not succeeds(('%s -e "require [[%s]]"'):format(program, name)) then
      return name
    end
  end
end

-- Comparing -----------------------------------------------------------------------------

local function as_pattern(line)
  local literal = line:gsub('%p', '%%%0')
  return '^' .. literal:gsub('…', '.*') .. '$'
end

local function same_line(shown, line)
  return shown == line or shown:find('…', 1, true) and line:find(as_pattern(shown))
end

-- The output as it came, but for lines that are as the page shows them.
local function adapted(shown, output)
  local wanted, lines = {}, {}
  for line in shown:gmatch '[^\n]*' do
    wanted[#wanted + 1] = line
  end
  for line in output:gmatch '[^\n]*' do
    local want = wanted[#lines + 1]
    lines[#lines + 1] = want and same_line(want, line) and want or line
  end
  return table.concat(lines, '\n')
end

local function check(blocks, block)
  local result = run(blocks, block)
  assert.equal('', result.stderr)
  assert.same({ 'exit', 0 }, { result.reason, result.code })
  if block.output then
    assert.equal(block.output, adapted(block.output, result.stdout))
  end
end

-- A file is for a block below it.
local function is_used(blocks, block)
  for _, other in ipairs(blocks) do
    if other.line > block.line and other.text:find(block.file, 1, true) then
      return true
    end
  end
end

local function define(blocks, block)
  local lang, title = block.lang, ('line %d'):format(block.line)
  if block.reason then
    return
  elseif lang == 'text' then
    it(title .. ' is the output of a program', function()
      assert(block.is_output, 'nothing above it prints this')
    end)
  elseif block.file then
    it(title .. ' is a file that a program below uses', function()
      assert(is_used(blocks, block), block.file .. ' is not used')
    end)
  elseif not command_of(block) then
    it(title .. ' can be run', function()
      error(('what is a block of %q?'):format(lang))
    end)
  else
    it(
      title .. ' does what the page says',
      t.run(function()
        local lacking = missing(block)
        if lacking then
          pending(lacking .. ' is not here')
        else
          check(blocks, block)
        end
      end)
    )
  end
end

local function check_links(page)
  local folder = page:match '^(.*/)' or ''
  for _, link in ipairs(markdown.links(page)) do
    local path, fragment = link.target:match '^([^#]*)#?(.*)$'
    if not link.target:find '^https?:' then
      local file = path == '' and page or folder .. path
      local where = ('line %d: %s'):format(link.line, link.target)
      assert(lfs.attributes(file, 'mode'), where)
      if fragment ~= '' then
        local _, anchors = markdown.headings(file)
        assert(anchors[fragment], where)
      end
    end
  end
end

local function links(page)
  it('has no link that leads nowhere', function()
    check_links(page)
  end)
end

for _, page in ipairs(pages()) do
  describe(page, function()
    local blocks = markdown.blocks(page)
    for _, block in ipairs(blocks) do
      define(blocks, block)
    end
    links(page)
  end)
end

for _, page in ipairs { 'CHANGELOG.md', 'CONTRIBUTING.md' } do
  describe(page, function()
    links(page)
  end)
end
