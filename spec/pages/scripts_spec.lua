-- The scripts: what they say to somebody who meets them for the first time.
local lfs = require 'lfs'
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- The project's scripts in a folder where nothing has been built, and nothing can be.
local function unbuildable()
  local folder = t.tmpdir()
  cp.execFileSync('cp', { '-r', t.root .. '/scripts', folder })
  t.write_file(folder .. '/build', 'in the way')
  return folder
end

describe('scripts/run', function()
  it('explains itself', function()
    for _, option in ipairs { '--help', '-h' } do
      local result = cp.spawnSync(t.root .. '/scripts/run', { option })
      assert.equal(0, result.status)
      assert.equal('', result.stderr)
      assert.truthy(result.stdout:find '^scripts/run %[')
      assert.is_nil(result.stdout:find '#')
    end
  end)

  it('says where it cannot write, and no more', function()
    local folder = unbuildable()
    local result = cp.spawnSync(folder .. '/scripts/run', { '-e', 'print(1)' })
    assert.equal(1, result.status)
    assert.equal('', result.stdout)
    local text = 'child_process: cannot write to %s/build/release: '
      .. 'if the project lies where nothing may be written, copy it\n'
    assert.equal(text:format(folder), result.stderr)
  end)
end)

describe('scripts/test', function()
  it('explains itself', function()
    local result = cp.spawnSync(t.root .. '/scripts/test', { '--help' })
    assert.equal(0, result.status)
    assert.truthy(result.stdout:find '^scripts/test %[')
  end)

  it('says where it cannot write, and no more', function()
    local result = cp.spawnSync(unbuildable() .. '/scripts/test', {})
    assert.equal(1, result.status)
    assert.truthy(result.stderr:find '^child_process: cannot write to [^\n]*\n$')
  end)
end)

describe('every script', function()
  it('is one that the shell can run', function()
    for path in t.files(t.root .. '/scripts', '%f[^/]%l+$') do
      cp.execFileSync('sh', { '-n', path })
      local mode = lfs.attributes(path, 'permissions')
      local is_sourced = path:find '/setup$'
      assert.equal(not is_sourced, mode:sub(3, 3) == 'x', path)
    end
  end)
end)
