-- The rockspecs; spec/install/rock installs by them.
local lfs = require 'lfs'
local cp = require 'child_process'

local function rockspecs()
  local found = {}
  for name in lfs.dir 'rockspecs' do
    local version = name:match '^child_process%-(.*)%.rockspec$'
    if version then
      local spec = {}
      assert(loadfile('rockspecs/' .. name, 't', spec))()
      found[version] = spec
    end
  end
  return found
end

describe('rockspecs', function()
  local found = rockspecs()
  local release = cp._VERSION:match '%S+$' .. '-1'

  it('exist for a checkout and for this version', function()
    local versions = {}
    for version, spec in pairs(found) do
      assert.equal(version, spec.version)
      versions[#versions + 1] = version
    end
    table.sort(versions)
    assert.same({ release, 'scm-1' }, versions)
  end)

  it('say the same but for version and source', function()
    assert.truthy(found[release].source.url:find(release:match '^[%d.]+', 1))
    for _, spec in pairs(found) do
      spec.version, spec.source = nil, nil
    end
    assert.same(found['scm-1'], found[release])
  end)

  it('have no list of sources: that is CMakeLists.txt', function()
    local build = found['scm-1'].build
    assert.equal('cmake', build.type)
    assert.is_nil(build.modules)
  end)
end)
