-- A Lua parent with a Node worker: what only Node has (here: the parser for URLs of the
-- web) is asked for by messages, as between two Lua processes.  Needs `node`.
local cp = require 'child_process'

local URLS = {
  'https://Example.com:443/a/../b%20c?lang=lua',
  'http://127.1/',
  'not a url',
}

local folder = arg[0]:match '^(.*)/' or '.'
local worker = cp.fork(folder .. '/workers/node_worker.js', { execPath = 'node' })
local answers = 0

for id, text in ipairs(URLS) do
  worker:send { id = id, text = text }
end

worker:on('message', function(answer)
  local url = answer.url
  if url then
    print(('%s\n  host %s, path %s'):format(URLS[answer.id], url.host, url.pathname))
    for key, value in pairs(url.query) do
      print(('  %s = %s'):format(key, value))
    end
  else
    print(('%s\n  %s'):format(URLS[answer.id], answer.problem))
  end
  answers = answers + 1
  if answers == #URLS then
    worker:disconnect()
  end
end)

worker:on('error', function(err)
  print('node could not be started: ' .. err.code)
end)

cp.run()
