std = 'lua54'
max_line_length = 90
self = false -- methods take a colon whether they use self or not
exclude_files = { 'build', 'build.luarocks', 'lua_modules' }
files['spec'] = { std = '+busted' }
