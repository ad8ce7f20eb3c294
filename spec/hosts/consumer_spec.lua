-- What `cmake --install` leaves behind, used as by somebody else: examples/host is built
-- in a folder of its own against a fresh prefix, by CMake and by pkg-config, and run.
local t = require 'spec.helper'
local cp = t.cp
local it = t.wrap(it)

-- One for the C library that the build is for.
local function has_cxx()
  local command = 'c++ -x c++ - -o probe $(pkg-config --libs libuv)'
  local program = 'extern "C" unsigned uv_version(); int main() { return !uv_version(); }'
  local options = { input = program, shell = true, cwd = t.tmpdir() }
  local result = cp.spawnSync(command, options)
  return result.status == 0 and result.stderr == ''
end

-- Installs into `$prefix` and runs a script there that must succeed; its output.
local function consume(script)
  local folder = t.tmpdir()
  local env = {}
  for name, value in pairs(cp.process.env) do
    env[name] = value
  end
  env.prefix, env.BUILD, env.host = folder .. '/p', t.build, t.root .. '/examples/host'
  env.PKG_CONFIG_PATH = env.prefix .. '/lib/pkgconfig:' .. (env.PKG_CONFIG_PATH or '')
  env.flags, env.lua = t.build_flags(), 'lua' .. _VERSION:match '[%d.]+'
  script = 'cmake --install "$BUILD" --prefix "$prefix" >install.log\n' .. script
  local options = { cwd = folder, env = env }
  local result = cp.execFile('sh', { '-eu', '-c', script }, options):wait(t.TEST_TIMEOUT)
  assert.equal('', result.stderr)
  assert.equal(0, result.code, result.stdout)
  return result.stdout
end

-- From another folder, and with nothing in the environment.
local RUN = '\nhost_program=$PWD/host; cd / && exec env -i PATH="$PATH" '
  .. '"$host_program" "$host/program.lua"\n'

local function check_output(out)
  local lines = {}
  for line in out:gmatch '[^\n]+' do
    lines[#lines + 1] = line
  end
  table.sort(lines)
  assert.same({
    'exit code\t3',
    'from the shell',
    'host: ticked while the children ran',
    'the sum is\t6',
    'the worker ended with\t0',
  }, lines)
end

describe('the installed library', function()
  it('is used through CMake', function()
    check_output(consume([[
      cp -r "$host" source
      cmake -G Ninja -S source -B build -DCMAKE_PREFIX_PATH="$prefix" >cmake.log
      cmake --build build >build.log
      mv build/host host]] .. RUN))
  end)

  it('is used through pkg-config', function()
    check_output(consume([[
      cc $flags -Wall -Wextra -Werror "$host/host.c" -o host \
        $(pkg-config --cflags --libs child_process $lua)]] .. RUN))
  end)

  it(
    'needs no liblua but that of the host, though its header needs the header',
    function()
      local out = consume [[pkg-config --libs child_process
        pkg-config --cflags child_process
        pkg-config --cflags-only-I $lua]]
      local libs, cflags, lua = out:match '^(.-)\n(.-)\n%s*(%S+)'
      assert.is_nil(libs:find('lua', 1, true), libs)
      assert.truthy(libs:find('-lchild_process', 1, true), libs)
      assert.truthy(libs:find('-luv', 1, true), libs)
      assert.truthy(cflags:find(lua, 1, true), cflags)
    end
  )

  it('has the version of the module', function()
    local code = [[
      cat >CMakeLists.txt <<'X'
      cmake_minimum_required(VERSION 3.25)
      project(version LANGUAGES C)
      find_package(child_process 0.1 CONFIG REQUIRED)
      message(STATUS "found ${child_process_VERSION}")
      find_package(child_process 0.2 CONFIG QUIET)
      message(STATUS "newer ${child_process_FOUND}")
X
      cmake -G Ninja -S . -B build -DCMAKE_PREFIX_PATH="$prefix" |
        grep -E '^-- (found|newer)'
      pkg-config --modversion child_process]]
    local version = cp._VERSION:match '%S+$'
    local expected = ('-- found %s\n-- newer 0\n%s\n'):format(version, version)
    assert.equal(expected, consume(code))
  end)

  it('can be linked into a program without any shared library', function()
    if t.watched_by() == 'asan' then
      pending 'AddressSanitizer is a shared library'
    end
    check_output(consume([[
      lua_archive=$(pkg-config --variable=libdir $lua)/lib$lua.a
      [ -e "$lua_archive" ] || lua_archive=${lua_archive%/*}/liblua.a
      cc $flags -static "$host/host.c" -o host $(pkg-config --cflags child_process) \
        "$prefix/lib/libchild_process.a" \
        "$lua_archive" \
        $(pkg-config --libs libuv-static) -lm 2>ld.log
      ! ldd host >ldd.log 2>&1]] .. RUN))
  end)
end)

describe('child_process.h', function()
  it('is C11 without extensions, as far as uv.h is', function()
    consume [[
      echo '#include <child_process.h>' >a.c
      cc -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Werror -c a.c \
        $(pkg-config --cflags child_process)]]
  end)

  it('is not for another Lua than the library', function()
    local out = consume [[
      other=$((1009 - $(printf '#include <lua.h>\nLUA_VERSION_NUM' |
        cc -E -P $(pkg-config --cflags child_process) - | tail -n 1)))
      echo "#define LUA_VERSION_NUM $other" >lua.h
      echo '#include <child_process.h>' >a.c
      ! cc -I. $(pkg-config --cflags child_process) -fsyntax-only a.c 2>&1]]
    assert.truthy(out:find('for another version of Lua', 1, true), out)
  end)

  for _, first in ipairs { '', '#include <lua.hpp>' } do
    local order = first == '' and 'alone' or 'behind lua.hpp'
    it('is C++, ' .. order, function()
      if not has_cxx() then
        pending 'no C++ compiler'
      end
      local out = consume([[
        cat >a.cc <<'X'
        ]] .. first .. [[

        #include <child_process.h>
        #include <lua.hpp>
        static void on_error(lua_State *, void *) {}
        int main() {
          static_assert(LCP_VERSION_NUM >= 100, "the first version is 0.1.0");
          lua_State *L = luaL_newstate();
          luaL_openlibs(L);
          lcp_on_error(L, on_error, nullptr);
          lcp_set_exec_path(L, nullptr);
          luaL_requiref(L, "child_process", luaopen_child_process, 0);
          int failed = luaL_dostring(L,
            "print(require('child_process').exec('echo from C++'):wait().stdout)");
          lua_close(L);
          return failed;
        }
X
        c++ $flags -Wall -Wextra -Wpedantic -Werror a.cc -o host \
          $(pkg-config --cflags --libs child_process $lua)
        env -i PATH="$PATH" ./host]])
      assert.equal('from C++\n\n', out)
    end)
  end
end)
