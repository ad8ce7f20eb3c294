std = 'lua54'
max_line_length = 90
exclude_files = { 'build', 'build.luarocks', 'lua_modules' }
files['spec'] = { std = '+busted' }
