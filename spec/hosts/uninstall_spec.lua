-- The target `uninstall`.  A build knows its last installation only, and other specs
-- install from the one that they run in: so this configures one of its own, and gives it
-- what that has built.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- The output of a script that must succeed, after an installation into `$prefix` from
-- `$build`.
local function installed(script)
  local env =
    { root = t.root, BUILD = t.build, build = 'build', PATH = cp.process.env.PATH }
  local options = { cwd = t.tmpdir(), env = env }
  script = [[
    prefix=$PWD/prefix
    cmake -G Ninja -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Debug >configure.log
    mkdir -p "$build/child_process"
    cp "$BUILD/child_process/core.so" "$build/child_process"
    cp "$BUILD/libchild_process.a" "$build"
    cmake --install "$build" --prefix "$prefix" >install.log
    uninstall() { cmake --build "$build" --target uninstall; }
    ]] .. script
  local result = cp.execFile('sh', { '-eu', '-c', script }, options):wait(t.TEST_TIMEOUT)
  assert.equal('', result.stderr)
  assert.equal(0, result.code, result.stdout)
  return result.stdout
end

describe('the target uninstall', function()
  it('removes what was installed, and no file of anybody else', function()
    local out = installed [[
      test -e "$prefix/lib/libchild_process.a"
      touch "$prefix/lib/other.a" "$prefix/share/child_process/own.json"
      uninstall >uninstall.log
      cd "$prefix" && find . ! -type d | sort]]
    assert.equal('./lib/other.a\n./share/child_process/own.json\n', out)
  end)

  it('removes the folders of the module, and leaves those that others use', function()
    local out = installed [[
      uninstall >uninstall.log
      find "$prefix" -name '*child_process*'
      ls "$prefix"]]
    assert.equal('include\nlib\nshare\n', out)
  end)

  it('has nothing to do the second time', function()
    local out = installed [[
      uninstall >uninstall.log
      uninstall | grep -c Removed || true]]
    assert.equal('0\n', out)
  end)

  it('honours DESTDIR, as the installation does', function()
    local out = installed [[
      export DESTDIR="$PWD/stage"
      cmake --install "$build" --prefix "$prefix" >stage.log
      test -e "$DESTDIR$prefix/lib/libchild_process.a"
      uninstall >uninstall.log
      find "$DESTDIR" ! -type d
      test -e "$prefix/lib/libchild_process.a" && echo the other one is there]]
    assert.equal('the other one is there\n', out)
  end)

  it('fails where nothing has been installed', function()
    local out = installed [[
      rm "$build/install_manifest.txt"
      ! uninstall >uninstall.log 2>&1
      grep -o 'nothing has been installed from this build' uninstall.log]]
    assert.equal('nothing has been installed from this build\n', out)
  end)

  it('fails on a name that it cannot remove', function()
    local out = installed [[
      mkdir -p now_a_folder/full
      echo "$PWD/now_a_folder" >"$build/install_manifest.txt"
      ! uninstall >uninstall.log 2>&1
      grep -o 'cannot remove' uninstall.log
      ls now_a_folder]]
    assert.equal('cannot remove\nfull\n', out)
  end)
end)
