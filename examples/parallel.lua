-- Runs the lines of a file, or of standard input, as shell commands, several at a time.
-- On a terminal one line at the bottom shows how far the run is.  Each job writes to
-- temporary files, so that one that prints much costs no memory, and when it has ended
-- its output is shown in one piece.  Nothing else is written to standard output.
local cp = require 'child_process'

local USAGE = [[
usage: parallel.lua [-j N] [-t SECONDS] [-k] [FILE]

Runs each line of FILE (default: standard input) as a shell command, N at a time.

  -j N         run at most N jobs at once (default: one for each processor)
  -t SECONDS   stop a job that runs longer: SIGTERM, and SIGKILL 2 seconds later
  -k           keep going: start the other jobs although one has failed
  -h, --help   show this text

Empty lines and lines that begin with # are left out.  A comment at the end of a line
is the job's label:  make -C doc html  # the manual

Exit status: the number of jobs that failed, at most 100; 125 if the command line is
wrong, 130 after Ctrl-C.
]]

local function now()
  return cp.process:hrtime() / 1e9
end

-- Input and terminal --------------------------------------------------------------------

local function give_up(problem)
  io.stderr:write('parallel.lua: ', problem, '\n')
  os.exit(125, true)
end

local function parse_options(args)
  local options = {}
  while args[1] do
    local word = table.remove(args, 1)
    local flag, value = word:match '^(%-[jt])(.*)$'
    if flag then
      value = tonumber(value ~= '' and value or table.remove(args, 1))
      if not value or value <= 0 then
        give_up(flag .. ' needs a number above 0')
      end
      options[flag == '-j' and 'limit' or 'timeout'] = value
    elseif word == '-k' then
      options.keep_going = true
    elseif word == '-h' or word == '--help' then
      io.write(USAGE)
      os.exit(0, true)
    elseif word:find '^%-' or options.file then
      give_up('what is ' .. word .. '?  (--help shows the options)')
    else
      options.file = word
    end
  end
  return options
end

local function read_jobs(path)
  local jobs = {}
  local file = not path and io.stdin or io.open(path) or give_up('cannot read ' .. path)
  for line in file:lines() do
    if line:find '%S' and not line:find '^%s*#' then
      jobs[#jobs + 1] = { command = line, label = line:match '.*%s#%s+(.-)%s*$' or line }
    end
  end
  return jobs
end

-- The columns of the terminal that is our stderr, or nil.  stty looks at its own stdin;
-- the call waits for it, since it is also made from a callback.
local function terminal_width()
  local stty = cp.spawnSync('stty', { 'size' }, { stdio = { 2, 'pipe', 'ignore' } })
  if stty.ok and os.getenv 'TERM' ~= 'dumb' then
    local columns = tonumber(stty.stdout:match '%d+ (%d+)')
    return columns and columns > 0 and columns or 80
  end
end

-- The text in exactly `width` columns, without control characters.
local function fit(text, width)
  text = text:gsub('\27%[[%d;]*%a', ''):gsub('%c', ' ')
  text = utf8.len(text) and text or text:gsub('[\x80-\xff]', '?')
  if utf8.len(text) > width then
    return text:sub(1, utf8.offset(text, width) - 1) .. '~'
  end
  return text .. (' '):rep(width - utf8.len(text))
end

local function progress(run)
  local time = os.date('!%H:%M:%S', math.floor(now() - run.started)):gsub('^00:', '')
  local text = ' %d/%d done, %d running, %d failed, %s'
  text = text:format(run.done, #run.jobs, run.running, run.failed, time)
  -- the last column stays empty: some terminals wrap once it is written
  local room = math.min(40, run.width - 3 - #text)
  local full = math.max(0, room) * run.done // math.max(1, #run.jobs)
  local bar = ('[%s%s]'):format(('='):rep(full), ('.'):rep(room - full))
  return fit(room > 4 and bar .. text or text:sub(2), run.width - 1)
end

local function draw(run, blank)
  if run.width then
    io.stderr:write('\r', blank and '' or progress(run), '\27[K')
  end
end

-- Jobs ----------------------------------------------------------------------------------

-- SIGTERM, and SIGKILL when `killAfter` has passed.
local function stop(job, reason)
  cp.clearTimeout(job.timer)
  job.status, job.ended_by = 'failed', reason
  job.child:kill()
end

-- Copies what a job has printed; returns its last line.
local function show_output(file, to)
  local tail = ''
  file:seek('set', 0)
  for chunk in file:lines(65536) do
    to:write(chunk)
    tail = (tail .. chunk):sub(-4096)
  end
  file:close()
  to:write(tail:find '[^\n]$' and '\n' or ''):flush()
  return ('\n' .. tail):match '.*\n([^\n]*%S)' or ''
end

local function report(run, job)
  local text = '[%d/%d] %-8s %6.2f s  %s\n'
  draw(run, 'blank')
  io.stderr:write(text:format(run.done, #run.jobs, job.ended_by, job.seconds, job.label))
  show_output(job.out, io.stdout)
  job.last_line = show_output(job.err, io.stderr)
end

local start_more

local function finish(run, job, code, signal_name)
  cp.clearTimeout(job.timer)
  job.ended_by = job.ended_by or signal_name or job.error or 'exit ' .. code
  job.status = job.ended_by == 'exit 0' and 'ok' or 'failed'
  job.seconds = now() - job.started
  run.running, run.done = run.running - 1, run.done + 1
  if job.status == 'failed' then
    run.failed = run.failed + 1
    run.halted = run.halted or not run.keep_going
  end
  report(run, job)
  start_more(run)
end

-- Without a timeout the jobs stay in our process group, and Ctrl-C reaches them too.
-- With one, each has its own group and is stopped with all that its shell has started,
-- where the system can do that.
local function start(run, job)
  job.out, job.err = assert(io.tmpfile()), assert(io.tmpfile())
  job.started = now()
  job.child = cp.spawn(job.command, {
    shell = true,
    stdio = { 'ignore', job.out, job.err },
    killDescendants = run.has_groups,
    killAfter = 2000,
  })
  job.child:on('error', function(err)
    job.error = err.code
  end)
  job.child:on('close', function(code, signal_name)
    finish(run, job, code, signal_name)
  end)
  if run.timeout then
    local limit = math.min(run.timeout * 1000, 2 ^ 31 - 1) -- the longest timer
    job.timer = cp.setTimeout(stop, limit, job, 'timeout')
  end
  run.running = run.running + 1
end

function start_more(run)
  while run.running < run.limit and run.next <= #run.jobs and not run.halted do
    start(run, run.jobs[run.next])
    run.next = run.next + 1
  end
  draw(run)
end

local function summarize(run)
  local first, width = 3, (run.width or 121) - 1
  for _, job in ipairs(run.jobs) do
    first = math.min(36, math.max(first, utf8.len(job.label) or #job.label))
  end
  local function row(label, ...)
    local rest = ('  %-7s  %-8s  %8s  %s'):format(...)
    io.stderr:write((fit(fit(label, first) .. rest, width):gsub(' +$', '')), '\n')
  end
  io.stderr:write '\n'
  row('job', 'status', 'ended by', 'time', 'last line on stderr')
  for _, job in ipairs(run.jobs) do
    local time = job.seconds and ('%.2f s'):format(job.seconds) or ''
    row(job.label, job.status or 'not run', job.ended_by or '', time, job.last_line or '')
  end
  local text = '%d jobs, %d done, %d failed, %.2f s\n'
  io.stderr:write(text:format(#run.jobs, run.done, run.failed, now() - run.started))
end

-- The interpreter raises "interrupted!" in the first Lua code that runs after Ctrl-C; the
-- ticker sees to it that this is soon.  A second Ctrl-C ends this program at once.
local function interrupt(run, problem)
  if not tostring(problem):find 'interrupted!' then
    error(problem, 0)
  end
  run.halted = true
  for _, job in ipairs(run.jobs) do
    if job.child and not job.seconds then
      stop(job, 'Ctrl-C')
    end
  end
  cp.run()
  for _, job in ipairs(run.jobs) do
    if job.child and not job.seconds then
      finish(run, job) -- its callback is what was interrupted
    end
  end
  return true
end

local function main()
  local run = parse_options(arg)
  run.jobs = read_jobs(run.file)
  run.limit = run.limit or tonumber(cp.spawn 'nproc':wait().stdout) or 4
  run.width, run.started = terminal_width(), now()
  run.next, run.running, run.done, run.failed = 1, 0, 0, 0
  run.has_groups = run.timeout ~= nil
    and pcall(cp.spawnSync, 'true', { killDescendants = true })
  run.ticker = cp.setInterval(draw, 100, run):unref()
  cp.process:on('SIGWINCH', function()
    run.width = run.width and terminal_width()
  end)
  cp.nextTick(start_more, run)
  local ok, problem = pcall(cp.run)
  run.ticker:close()
  local interrupted = not ok and interrupt(run, problem)
  draw(run, 'blank')
  summarize(run)
  os.exit(interrupted and 130 or math.min(run.failed, 100), true)
end

main()
