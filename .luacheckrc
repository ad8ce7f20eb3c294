std = 'lua54'
max_line_length = 90
self = false -- methods take a colon whether they use self or not
exclude_files = { 'build', 'build.luarocks', 'lua_modules', 'types' } -- the last only declares
files['spec'] = { std = '+busted' }

-- forked children have it
local forked = { read_globals = { process = { other_fields = true, fields = {
  exitCode = { read_only = false } } } } }
files['bench/child.lua'] = forked
files['examples'] = forked
files['spec/fixtures'] = forked
files['spec/install'] = forked
