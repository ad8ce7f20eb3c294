--- The outcome of a child as one table, for `wait()` and the Sync calls alike.
--
-- `ok`; `reason`: `exit`, `signal`, `spawn` (it could not be started), or the limit that
-- ended it; `code` (and `status`, Node's name in the Sync calls): nil unless it exited;
-- `signal`, `pid`, `error`; `stdout`, `stderr` and `output`, which has them by
-- descriptor, index 1 for stdin; `duration` (ms) and `usage`; `forced`: it got SIGKILL
-- after another signal of ours; `truncated`: its output was given up before end of file,
-- and `heldBy`: the processes that held its pipes then.
local M = {}

local Result = { __name = 'child_process.Result' }

-- Only what has been started has a duration.
local function was_refused(r)
  return r.reason == 'spawn' or r.reason == 'abort' and not r.duration
end

local function how_it_ended(r)
  if was_refused(r) then
    return 'not started: ' .. tostring(r.error)
  end
  local text = r.signal and tostring(r.signal) or ('exit code %s'):format(r.code)
  if not r.signal and not r.code then
    text = 'ended, nobody knows how'
  end
  if r.reason ~= 'exit' and r.reason ~= 'signal' then
    text = ('%s by %s'):format(text, r.reason)
  end
  return text
end

local function describe_output(name, text)
  return text and ('%s %d bytes'):format(name, #text)
end

--- One line for people, such as `exit code 3 after 12.5 ms, stdout 4 bytes`.
function Result.__tostring(r)
  local parts = { how_it_ended(r) }
  if r.duration then
    parts[1] = ('%s after %.1f ms'):format(parts[1], r.duration)
  end
  parts[#parts + 1] = describe_output('stdout', r.stdout)
  parts[#parts + 1] = describe_output('stderr', r.stderr)
  return (table.concat(parts, ', '):gsub('%c', ' '))
end

--- result.new(fields) -> result: the same table, with the derived fields added.
function M.new(fields)
  fields.ok = fields.reason == 'exit' and fields.code == 0
  fields.status = fields.code
  fields.forced = fields.forced or false
  fields.truncated = fields.truncated or false
  return setmetatable(fields, Result)
end

return M
