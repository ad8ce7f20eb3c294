-- An output handler for busted: its terminal output, then `N passed, N failed, N skipped`
-- as the very last line.  With `-Xoutput FILE` the three numbers go to that file instead,
-- so that a caller can tell a run that reached its end from one that did not.
local term = require 'term'

return function(options)
  local busted = require 'busted'
  local kind = term.isatty(io.stdout) and 'utfTerminal' or 'plainTerminal'
  local handler = require('busted.outputHandlers.' .. kind)(options)
  local passed, failed, skipped = 0, 0, 0

  -- once for each --repeat
  busted.subscribe({ 'suite', 'end' }, function()
    passed = passed + handler.successesCount
    failed = failed + handler.failuresCount + handler.errorsCount
    skipped = skipped + handler.pendingsCount
    return nil, true
  end)

  busted.subscribe({ 'exit' }, function()
    local path = options.arguments[1]
    if path then
      local file = assert(io.open(path, 'w'))
      file:write(('%d %d %d\n'):format(passed, failed, skipped))
      file:close()
    else
      print(('%d passed, %d failed, %d skipped'):format(passed, failed, skipped))
      io.stdout:flush()
    end
    return nil, true
  end, { priority = 100 })

  return handler
end
