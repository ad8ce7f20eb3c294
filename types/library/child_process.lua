---@meta child_process

-- Types of child_process for LuaLS (https://luals.github.io) and what understands its
-- annotations; never run.  What the words mean in full stands in the module's comments.

-- Words used below ----------------------------------------------------------------------

---@alias child_process.SignalName
---| 'SIGABRT'
---| 'SIGALRM'
---| 'SIGBUS'
---| 'SIGCHLD'
---| 'SIGCONT'
---| 'SIGFPE'
---| 'SIGHUP'
---| 'SIGILL'
---| 'SIGINT'
---| 'SIGIO'
---| 'SIGIOT'
---| 'SIGKILL'
---| 'SIGPIPE'
---| 'SIGPOLL'
---| 'SIGPROF'
---| 'SIGPWR'
---| 'SIGQUIT'
---| 'SIGSEGV'
---| 'SIGSTKFLT'
---| 'SIGSTOP'
---| 'SIGSYS'
---| 'SIGTERM'
---| 'SIGTRAP'
---| 'SIGTSTP'
---| 'SIGTTIN'
---| 'SIGTTOU'
---| 'SIGURG'
---| 'SIGUSR1'
---| 'SIGUSR2'
---| 'SIGVTALRM'
---| 'SIGWINCH'
---| 'SIGXCPU'
---| 'SIGXFSZ'

--- A name, in lower case as well, or a number.
---@alias child_process.Signal child_process.SignalName|string|integer

---@alias child_process.Encoding
---| 'buffer' # raw bytes
---| 'utf8'
---| 'utf-8'
---| 'utf16le'
---| 'ucs2'
---| 'latin1'
---| 'binary'
---| 'ascii'
---| 'hex'
---| 'base64'
---| 'base64url'

---@alias child_process.Reason
---| 'exit'
---| 'signal'
---| 'timeout'
---| 'idleTimeout'
---| 'maxBuffer'
---| 'abort'
---| 'spawn' # it could not be started

---@alias child_process.Null lightuserdata

---@alias child_process.Message string|number|boolean|table|child_process.Null

--- Numbers and booleans become text.
---@alias child_process.Argument string|number|boolean

--- What may be sent with a message; the sender keeps its own copy of the last three.
---@alias child_process.Handle
---| child_process.net.Server
---| child_process.net.Socket
---| child_process.dgram.Socket
---| child_process.Stream
---| file*
---| integer
---| child_process.HasDescriptor

--- An object with a descriptor: LuaSocket's have `getfd`, luaposix' `fileno`.
---@class child_process.HasDescriptor
---@field getfd? fun(self: table): integer
---@field fileno? fun(self: table): integer

--- What arrives when a descriptor was sent.  If it is not closed, the collector does it.
---@class child_process.Fd
local Fd = {}

---@return integer? fd nil when it is closed
function Fd:getfd() end

--- The same as `getfd`.
---@return integer? fd
function Fd:fileno() end

function Fd:close() end

--- An error value: `tostring(e)` is `TypeError [ERR_X]: text`.
---@class child_process.Error
---@field name string `Error`, `TypeError`, `RangeError`, `AbortError`, …
---@field code? string|integer `ERR_…`, `ENOENT`, …; of exec also the exit code
---@field message string
---@field errno? integer negative
---@field syscall? string
---@field path? string what is at fault
---@field spawnargs? string[]
---@field stage? string of a start: `chdir`, `exec`, `setuid`, `setgid`, `stdio`, `fork`, …
---@field cause? any the reason given to abort(); of a pool's worker: the value it raised
---@field stack? string of a pool's worker: its traceback
---@field pid? integer of a pool's worker
---@field exitCode? integer of ERR_WORKER_DIED
---@field signalCode? string of ERR_WORKER_DIED
---@field index? integer of a pipeline: the number of the stage
---@field traceback? string
---@field address? string
---@field port? integer
---@field hostname? string
---@field errors? child_process.Error[] of an AggregateError
---@field context? any the value that was emitted as an error

--- What the callbacks of exec and execFile get.
---@class child_process.ExecError: child_process.Error
---@field killed? boolean we have sent it a signal
---@field signal? string
---@field cmd string
---@field stdout string
---@field stderr string

--- What execSync and execFileSync raise.
---@class child_process.SyncError: child_process.Error
---@field pid integer
---@field output child_process.Output
---@field stdout? string
---@field stderr? string
---@field status? integer
---@field signal? string
---@field error? child_process.Error

-- EventEmitter --------------------------------------------------------------------------

---@class child_process.EventEmitter
local EventEmitter = {}

--- Calls `listener(…)` on every `emit(event, …)`.
---@param event any any value but nil and NaN
---@param listener function
---@return self
function EventEmitter:on(event, listener) end

--- The same as `on`.
---@param event any
---@param listener function
---@return self
function EventEmitter:addListener(event, listener) end

--- For the next `emit` only.
---@param event any
---@param listener function
---@return self
function EventEmitter:once(event, listener) end

--- Like `on`, but ahead of the others.
---@param event any
---@param listener function
---@return self
function EventEmitter:prependListener(event, listener) end

--- Like `once`, but ahead of the others.
---@param event any
---@param listener function
---@return self
function EventEmitter:prependOnceListener(event, listener) end

--- Removes one registration, the latest one.
---@param event any
---@param listener function
---@return self
function EventEmitter:off(event, listener) end

--- The same as `off`.
---@param event any
---@param listener function
---@return self
function EventEmitter:removeListener(event, listener) end

---@param event? any nil: of all events
---@return self
function EventEmitter:removeAllListeners(event) end

--- Calls the listeners in order.  `emit('error', e)` without a listener raises `e`.
---@param event any
---@param ... any
---@return boolean heard whether there was a listener
function EventEmitter:emit(event, ...) end

---@param event any
---@param listener? function only this one is counted
---@return integer
function EventEmitter:listenerCount(event, listener) end

---@param event any
---@return function[]
function EventEmitter:listeners(event) end

--- As `listeners`, but those of `once` are callable objects with a field `listener`.
---@param event any
---@return (function|table)[]
function EventEmitter:rawListeners(event) end

---@return any[]
function EventEmitter:eventNames() end

--- Stored for getMaxListeners; this library never warns.
---@param n number
---@return self
function EventEmitter:setMaxListeners(n) end

---@return number
function EventEmitter:getMaxListeners() end

-- Events: what `on` and its like take, by class -----------------------------------------

---@alias child_process.EventEmitter.on
---| fun(self: child_process.EventEmitter, event: 'newListener', listener: fun(event: any, listener: function)): child_process.EventEmitter
---| fun(self: child_process.EventEmitter, event: 'removeListener', listener: fun(event: any, listener: function)): child_process.EventEmitter
---| fun(self: child_process.EventEmitter, event: any, listener: function): child_process.EventEmitter

---@alias child_process.ChildProcess.on
---| child_process.EventEmitter.on
---| fun(self: child_process.ChildProcess, event: 'spawn', listener: fun()): child_process.ChildProcess
---| fun(self: child_process.ChildProcess, event: 'error', listener: fun(err: child_process.Error)): child_process.ChildProcess
---| fun(self: child_process.ChildProcess, event: 'exit', listener: fun(code: integer?, signal: string?)): child_process.ChildProcess
---| fun(self: child_process.ChildProcess, event: 'close', listener: fun(code: integer?, signal: string?)): child_process.ChildProcess
---| fun(self: child_process.ChildProcess, event: 'message', listener: fun(message: any, handle: child_process.Received?)): child_process.ChildProcess
---| fun(self: child_process.ChildProcess, event: 'internalMessage', listener: fun(message: table, handle: child_process.Received?)): child_process.ChildProcess
---| fun(self: child_process.ChildProcess, event: 'disconnect', listener: fun()): child_process.ChildProcess
---| fun(self: child_process.ChildProcess, event: 'drain', listener: fun()): child_process.ChildProcess

---@alias child_process.Process.on
---| child_process.EventEmitter.on
---| fun(self: child_process.Process, event: 'message', listener: fun(message: any, handle: child_process.Received?)): child_process.Process
---| fun(self: child_process.Process, event: 'internalMessage', listener: fun(message: table, handle: child_process.Received?)): child_process.Process
---| fun(self: child_process.Process, event: 'disconnect', listener: fun()): child_process.Process
---| fun(self: child_process.Process, event: 'drain', listener: fun()): child_process.Process
---| fun(self: child_process.Process, event: 'error', listener: fun(err: child_process.Error)): child_process.Process
---| fun(self: child_process.Process, event: 'exit', listener: fun(code: integer)): child_process.Process
---| fun(self: child_process.Process, event: 'beforeExit', listener: fun(code: integer)): child_process.Process
---| fun(self: child_process.Process, event: 'uncaughtException', listener: fun(err: any, origin: string)): child_process.Process
---| fun(self: child_process.Process, event: child_process.SignalName, listener: fun(name: child_process.SignalName, number: integer)): child_process.Process

---@alias child_process.Stream.on
---| child_process.EventEmitter.on
---| fun(self: child_process.Stream, event: 'error', listener: fun(err: child_process.Error)): child_process.Stream
---| fun(self: child_process.Stream, event: 'close', listener: fun(hadError: boolean)): child_process.Stream

---@alias child_process.Readable.on
---| child_process.Stream.on
---| fun(self: child_process.Readable, event: 'data', listener: fun(chunk: string)): child_process.Readable
---| fun(self: child_process.Readable, event: 'end', listener: fun()): child_process.Readable
---| fun(self: child_process.Readable, event: 'readable', listener: fun()): child_process.Readable
---| fun(self: child_process.Readable, event: 'pause', listener: fun()): child_process.Readable
---| fun(self: child_process.Readable, event: 'resume', listener: fun()): child_process.Readable

---@alias child_process.Writable.on
---| child_process.Stream.on
---| fun(self: child_process.Writable, event: 'drain', listener: fun()): child_process.Writable
---| fun(self: child_process.Writable, event: 'finish', listener: fun()): child_process.Writable
---| fun(self: child_process.Writable, event: 'pipe', listener: fun(source: child_process.Readable)): child_process.Writable
---| fun(self: child_process.Writable, event: 'unpipe', listener: fun(source: child_process.Readable)): child_process.Writable

---@alias child_process.Duplex.on
---| child_process.Readable.on
---| child_process.Writable.on

---@alias child_process.net.Socket.on
---| child_process.Duplex.on
---| fun(self: child_process.net.Socket, event: 'connect', listener: fun()): child_process.net.Socket
---| fun(self: child_process.net.Socket, event: 'ready', listener: fun()): child_process.net.Socket
---| fun(self: child_process.net.Socket, event: 'lookup', listener: fun(err: child_process.Error?, address: string?, family: integer?, host: string)): child_process.net.Socket
---| fun(self: child_process.net.Socket, event: 'timeout', listener: fun()): child_process.net.Socket

---@alias child_process.net.Server.on
---| child_process.EventEmitter.on
---| fun(self: child_process.net.Server, event: 'listening', listener: fun()): child_process.net.Server
---| fun(self: child_process.net.Server, event: 'connection', listener: fun(socket: child_process.net.Socket)): child_process.net.Server
---| fun(self: child_process.net.Server, event: 'drop', listener: fun(data: child_process.net.Dropped?)): child_process.net.Server
---| fun(self: child_process.net.Server, event: 'error', listener: fun(err: child_process.Error)): child_process.net.Server
---| fun(self: child_process.net.Server, event: 'close', listener: fun()): child_process.net.Server

---@alias child_process.dgram.Socket.on
---| child_process.EventEmitter.on
---| fun(self: child_process.dgram.Socket, event: 'listening', listener: fun()): child_process.dgram.Socket
---| fun(self: child_process.dgram.Socket, event: 'message', listener: fun(data: string, rinfo: child_process.dgram.Sender)): child_process.dgram.Socket
---| fun(self: child_process.dgram.Socket, event: 'connect', listener: fun()): child_process.dgram.Socket
---| fun(self: child_process.dgram.Socket, event: 'error', listener: fun(err: child_process.Error)): child_process.dgram.Socket
---| fun(self: child_process.dgram.Socket, event: 'close', listener: fun()): child_process.dgram.Socket

--- What may arrive with a message.
---@alias child_process.Received
---| child_process.net.Server
---| child_process.net.Socket
---| child_process.dgram.Socket
---| file*
---| child_process.Fd

-- Streams -------------------------------------------------------------------------------

--- What both kinds of stream have.
---@class child_process.Stream: child_process.EventEmitter
---@field on child_process.Stream.on
---@field once child_process.Stream.on
---@field addListener child_process.Stream.on
---@field prependListener child_process.Stream.on
---@field prependOnceListener child_process.Stream.on
---@field destroyed boolean
---@field closed boolean
---@field errored? child_process.Error
---@field allowHalfOpen boolean our side stays open when the other side ends
local Stream = {}

--- Closes it immediately; unwritten data is lost.
---@param err? any what `error` and the callbacks get
---@return self
function Stream:destroy(err) end

--- `destroy` for a readable stream, else `finish`, with their arguments.
---@param ... any
---@return self
function Stream:close(...) end

--- An open stream keeps the loop alive: the default.
---@return self
function Stream:ref() end

---@return self
function Stream:unref() end

---@class child_process.Readable: child_process.Stream
---@field on child_process.Readable.on
---@field once child_process.Readable.on
---@field addListener child_process.Readable.on
---@field prependListener child_process.Readable.on
---@field prependOnceListener child_process.Readable.on
---@field readable boolean
---@field readableEnded boolean
---@field readableFlowing? boolean nil: not decided yet
---@field readableEncoding? child_process.Encoding
---@field readableLength integer bytes buffered
---@field readableHighWaterMark integer bytes
---@field bytesRead integer
local Readable = {}

--- Whatever is buffered, or exactly `size` bytes; nil if there is not enough.  `'l'`
--- (a line), `'L'` (with its newline) and `'a'` (everything left) wait.
---@param format 'l'|'L'|'a'
---@param timeout? number milliseconds after which it returns nil and 'timeout'
---@return string?
---@return 'timeout'? why
---@overload fun(self: child_process.Readable, size?: integer): string?
function Readable:read(format, timeout) end

---@return self
function Readable:pause() end

---@return self
function Readable:resume() end

---@return boolean
function Readable:isPaused() end

--- Chunks become text; no character is split between two of them.
---@param encoding? child_process.Encoding `utf8`
---@return self
function Readable:setEncoding(encoding) end

--- Writes all data to `dest`, at its pace, and finishes it at the end.
---@generic T
---@param dest T
---@param options? child_process.PipeOptions
---@return T dest
function Readable:pipe(dest, options) end

---@param dest? child_process.Writable nil: all
---@return self
function Readable:unpipe(dest) end

--- `for line in stream:lines() do`: waits for each line, without its newline.
---@param delimiter? string|string[] `\n`; of several the first that occurs counts
---@return fun(): string?
function Readable:lines(delimiter) end

--- Waits for the end.
---@param timeout number milliseconds after which it returns nil and 'timeout'
---@return string?
---@return 'timeout'? why
---@overload fun(self: child_process.Readable): string
function Readable:readAll(timeout) end

--- Waits for `n` bytes; fewer only at the end, then nil.
---@param n integer
---@param timeout? number milliseconds after which it returns nil and 'timeout'
---@return string?
---@return 'timeout'? why
function Readable:readExactly(n, timeout) end

--- Waits for everything up to and including the delimiter; at the end, for what is left.
---@param delimiter string|string[]
---@param timeout? number milliseconds after which it returns nil and 'timeout'
---@return string?
---@return 'timeout'? why
function Readable:readUntil(delimiter, timeout) end

--- `for chunk in stream:chunks() do`: waits for whatever arrives, at least one byte.
---@return fun(): string?
function Readable:chunks() end

---@class (exact) child_process.PipeOptions
---@field finish? boolean false: `dest` stays open at the end
---@field end? boolean the same under Node's name

---@class child_process.Writable: child_process.Stream
---@field on child_process.Writable.on
---@field once child_process.Writable.on
---@field addListener child_process.Writable.on
---@field prependListener child_process.Writable.on
---@field prependOnceListener child_process.Writable.on
---@field writable boolean
---@field writableEnded boolean finish() was called
---@field writableFinished boolean and everything is written
---@field writableLength integer bytes waiting
---@field writableNeedDrain boolean
---@field writableCorked integer
---@field writableHighWaterMark integer bytes
---@field bytesWritten integer
---@field end fun(self: child_process.Writable, chunk?: string, encoding?: child_process.Encoding, callback?: fun(err: child_process.Error?)): child_process.Writable the same as `finish`
local Writable = {}

--- False when so much is waiting that you should wait for `drain`.
---@param chunk string
---@param encoding? child_process.Encoding
---@param callback? fun(err: child_process.Error?)
---@return boolean
---@overload fun(self: child_process.Writable, chunk: string, callback: fun(err: child_process.Error?)): boolean
function Writable:write(chunk, encoding, callback) end

--- Writes them one after another, as `file:write` does.
---@param ... string|number
---@return self
function Writable:put(...) end

--- The last write; the other side then sees the end.
---@param chunk? string
---@param encoding? child_process.Encoding
---@param callback? fun(err: child_process.Error?)
---@return self
---@overload fun(self: child_process.Writable, callback: fun(err: child_process.Error?)): child_process.Writable
---@overload fun(self: child_process.Writable, chunk: string, callback: fun(err: child_process.Error?)): child_process.Writable
function Writable:finish(chunk, encoding, callback) end

--- Chunks are queued until `uncork` or `finish`.
function Writable:cork() end

function Writable:uncork() end

---@class child_process.Duplex: child_process.Readable, child_process.Writable
---@field on child_process.Duplex.on
---@field once child_process.Duplex.on
---@field addListener child_process.Duplex.on
---@field prependListener child_process.Duplex.on
---@field prependOnceListener child_process.Duplex.on

-- ChildProcess --------------------------------------------------------------------------

--- `stdio[1]` is descriptor 0; a slot without a pipe is nil.
---@class child_process.Stdio
---@field n integer
---@field [integer] child_process.Duplex?

--- `local child <close> = cp.spawn(…)`: SIGTERM if it still runs when the scope is left.
---@class child_process.ChildProcess: child_process.EventEmitter
---@field on child_process.ChildProcess.on
---@field once child_process.ChildProcess.on
---@field addListener child_process.ChildProcess.on
---@field prependListener child_process.ChildProcess.on
---@field prependOnceListener child_process.ChildProcess.on
---@field pid? integer nil if it could not be started
---@field stdin child_process.Writable nil where `stdio` has no pipe, as the next two
---@field stdout child_process.Readable
---@field stderr child_process.Readable
---@field pty? child_process.Duplex its terminal, which is then stdin and stdout as well
---@field stdio child_process.Stdio
---@field channel? child_process.Channel
---@field connected boolean
---@field killed boolean a signal was delivered
---@field exitCode? integer nil while it runs, and after a signal
---@field signalCode? string
---@field usage? child_process.Usage nil while it runs
---@field spawnfile string
---@field spawnargs string[] with argv[0] first
local ChildProcess = {}

--- Starts one created by `cp.ChildProcess()`.
---@param options child_process.ByHandOptions
function ChildProcess:spawn(options) end

--- Sends a signal.  It never reaches another process that was given the same pid.
---@param signal? child_process.Signal SIGTERM; 0 only tests
---@return boolean delivered
function ChildProcess:kill(signal) end

--- Sets the size of its terminal; no effect after its end.
---@param cols integer
---@param rows integer
function ChildProcess:resize(cols, rows) end

--- False when the backlog says to wait for the callback or for `drain`.
---@param message child_process.Message
---@param handle? child_process.Handle
---@param options? child_process.SendOptions
---@param callback? fun(err: child_process.Error?)
---@return boolean
---@overload fun(self: child_process.ChildProcess, message: child_process.Message, callback: fun(err: child_process.Error?)): boolean
---@overload fun(self: child_process.ChildProcess, message: child_process.Message, handle: child_process.Handle?, callback: fun(err: child_process.Error?)): boolean
function ChildProcess:send(message, handle, options, callback) end

--- Closes the channel when everything sent before is written.
function ChildProcess:disconnect() end

--- It keeps the loop alive: the default.
---@return self
function ChildProcess:ref() end

---@return self
function ChildProcess:unref() end

--- SIGTERM, then SIGKILL; waits until it has closed.
---@param grace? integer milliseconds between the two, 5000
---@return child_process.Result
function ChildProcess:terminate(grace) end

--- Waits until it has closed; in a coroutine the rest of the program continues.
---@param timeout number milliseconds after which it returns nil and 'timeout'
---@return child_process.Result? result
---@return 'timeout'|child_process.Error|nil why
---@overload fun(self: child_process.ChildProcess): child_process.Result
function ChildProcess:wait(timeout) end

---@class (exact) child_process.ByHandOptions: child_process.SpawnOptions
---@field file string
---@field args? string[] with argv[0] first
---@field envPairs? string[] `NAME=value`, in place of `env`

---@class (exact) child_process.SendOptions
---@field keepOpen? boolean a socket stays open here

--- What it and those of its descendants that it waited for have used, with the names of
--- Node's process.resourceUsage().
---@class child_process.Usage
---@field userCPUTime integer microseconds
---@field systemCPUTime integer microseconds
---@field maxRSS? integer KiB; nil if the kernel's figure is only ours
---@field minorPageFault integer
---@field majorPageFault integer
---@field fsRead integer
---@field fsWrite integer
---@field voluntaryContextSwitches integer
---@field involuntaryContextSwitches integer

--- A descriptor of another process that holds one of our pipes.
---@class child_process.Holder
---@field pid integer
---@field command string
---@field fd integer its number there

---@class child_process.Result
---@field ok boolean `reason` is `exit`, with code 0
---@field reason child_process.Reason
---@field pid? integer
---@field code? integer
---@field status? integer the same as `code`
---@field signal? string
---@field stdout string nil if it is read elsewhere or there is no pipe; the same for stderr
---@field stderr string
---@field output child_process.Output
---@field error? child_process.Error
---@field duration? number milliseconds
---@field usage? child_process.Usage
---@field forced boolean it got SIGKILL after our first signal
---@field truncated boolean its output was abandoned before the end
---@field heldBy? child_process.Holder[] who could still write to it then

--- From `cp.limit(n)`; `limit(fn, …)` waits for a place and for `fn`, and returns its results.
---@class child_process.Limit
---@operator call: any
local Limit = {}

--- In a coroutine of its own; never waits.
---@param fn function
---@param ... any
---@return thread
function Limit:run(fn, ...) end

--- From `cp.pipeline`: programs of which each reads what the one before it writes.
---@class child_process.Pipeline
---@field children child_process.ChildProcess[]
---@field stdin child_process.Writable nil if it is not a pipe; the same for stdout
---@field stdout child_process.Readable
local Pipeline = {}

--- Sends a signal to all stages; true if any of them got it.
---@param signal? child_process.Signal SIGTERM; 0 only tests
---@return boolean sent
function Pipeline:kill(signal) end

--- SIGTERM to all stages, after a time SIGKILL; waits until all have closed.
---@param grace? integer milliseconds, 5000
---@return child_process.PipelineResult
function Pipeline:terminate(grace) end

--- Waits until all stages have closed.
---@param timeout? number milliseconds
---@return child_process.PipelineResult? result nil after the timeout
---@return 'timeout'|child_process.Error? why
---@overload fun(self: child_process.Pipeline): child_process.PipelineResult
function Pipeline:wait(timeout) end

--- Of the last stage that failed, else of the last one; `stdout` is the last one's.
---@class child_process.PipelineResult: child_process.Result
---@field results child_process.Result[] those of all stages

--- From `cp.scope()`: what it starts ends when its variable's block is left.
---@class child_process.Scope
local Scope = {}

--- cp.spawn with the scope's options as defaults.
---@param command string
---@param args? child_process.Argument[]
---@param options? child_process.SpawnOptions
---@return child_process.ChildProcess
---@overload fun(self: child_process.Scope, command: string, options: child_process.SpawnOptions): child_process.ChildProcess
function Scope:spawn(command, args, options) end

--- cp.exec with the scope's options as defaults.
---@param command string
---@param options? child_process.ExecOptions
---@param callback? fun(err: child_process.ExecError?, stdout: string, stderr: string)
---@return child_process.ChildProcess
---@overload fun(self: child_process.Scope, command: string, callback: fun(err: child_process.ExecError?, stdout: string, stderr: string)): child_process.ChildProcess
function Scope:exec(command, options, callback) end

--- cp.execFile with the scope's options as defaults.
---@param file string
---@param args? child_process.Argument[]
---@param options? child_process.ExecFileOptions
---@param callback? fun(err: child_process.ExecError?, stdout: string, stderr: string)
---@return child_process.ChildProcess
---@overload fun(self: child_process.Scope, file: string, options: child_process.ExecFileOptions, callback?: fun(err: child_process.ExecError?, stdout: string, stderr: string)): child_process.ChildProcess
---@overload fun(self: child_process.Scope, file: string, args: child_process.Argument[], callback: fun(err: child_process.ExecError?, stdout: string, stderr: string)): child_process.ChildProcess
---@overload fun(self: child_process.Scope, file: string, callback: fun(err: child_process.ExecError?, stdout: string, stderr: string)): child_process.ChildProcess
function Scope:execFile(file, args, options, callback) end

--- cp.fork with the scope's options as defaults.
---@param modulePath string
---@param args? child_process.Argument[]
---@param options? child_process.ForkOptions
---@return child_process.ChildProcess
---@overload fun(self: child_process.Scope, modulePath: string, options: child_process.ForkOptions): child_process.ChildProcess
function Scope:fork(modulePath, args, options) end

--- cp.pipeline with the scope's options as defaults.
---@param stages child_process.Stage[]
---@param options? child_process.PipelineOptions
---@return child_process.Pipeline
function Scope:pipeline(stages, options) end

--- Waits until all that it has started has closed, well or not; in the order of starting.
---@param timeout? number milliseconds
---@return (child_process.Result|child_process.PipelineResult)[]? results nil after the timeout
---@return 'timeout'|child_process.Error? why
---@overload fun(self: child_process.Scope): (child_process.Result|child_process.PipelineResult)[]
function Scope:wait(timeout) end

--- From `cp.pool()`: worker processes that call `cp.serve`.
---@class child_process.Pool
---@field size integer how many workers it has
---@field idle integer how many of them have nothing to do
---@field queued integer how many requests have not begun
local Pool = {}

--- Waits for the reply; with a callback returns whether the request was accepted.
---@param request? any
---@param options? child_process.RequestOptions
---@param callback? fun(err: child_process.Error?, reply: any)
---@return any reply
---@overload fun(self: child_process.Pool, request: any, callback: fun(err: child_process.Error?, reply: any)): boolean
function Pool:run(request, options, callback) end

--- The replies in the order of the list; raises the first error when all are done.
---@param list any[]
---@param options? child_process.RequestOptions
---@return any[]
function Pool:map(list, options) end

--- No more requests; those in progress have so long; waits until all workers have ended.
---@param grace? integer milliseconds, 5000
---@param callback? fun() called then; the call does not wait
---@overload fun(self: child_process.Pool, callback: fun())
function Pool:close(grace, callback) end

---@class child_process.Channel
local Channel = {}

--- It keeps the loop alive, with or without listeners.
function Channel:ref() end

function Channel:unref() end

---@return boolean
function Channel:hasRef() end

-- Options -------------------------------------------------------------------------------

--- A file opened for the child: for reading at descriptor 0, else for writing.
---@class (exact) child_process.FileItem
---@field file string its path, relative to our working directory
---@field append? boolean keep what is there
---@field mode? integer|string permissions of a new file: an integer, or octal digits

--- One of several that get the output of a child.
---@alias child_process.Target
---| 'pipe'
---| 'overlapped'
---| 'ignore'
---| 'inherit'
---| integer
---| child_process.FileItem
---| child_process.Stream
---| file*

---@alias child_process.StdioItem
---| 'pipe'
---| 'overlapped'
---| 'ignore'
---| 'inherit'
---| 'ipc'
---| 'stdout'
---| integer
---| child_process.FileItem
---| child_process.Target[]
---| child_process.Stream
---| child_process.net.Server
---| child_process.dgram.Socket
---| file*
---| false
---| child_process.Null

--- One word for all, or an array whose index 1 is descriptor 0.
---@alias child_process.StdioOption
---| 'pipe'
---| 'overlapped'
---| 'ignore'
---| 'inherit'
---| child_process.StdioItem[]

---@alias child_process.Environment table<string, string|number|boolean>

--- The names of setrlimit(2), without RLIMIT_ and in lower case.
---@alias child_process.Resource
---| 'as'
---| 'core'
---| 'cpu'
---| 'data'
---| 'fsize'
---| 'locks'
---| 'memlock'
---| 'msgqueue'
---| 'nice'
---| 'nofile'
---| 'nproc'
---| 'rss'
---| 'rtprio'
---| 'rttime'
---| 'sigpending'
---| 'stack'

--- For the soft and the hard limit, or { soft, hard }; math.huge: no limit.
---@alias child_process.ResourceLimit number|number[]

--- What all calls take.
---@class (exact) child_process.CommonOptions
---@field cwd? string
---@field env? child_process.Environment the whole environment; false: no such variable
---@field extendEnv? boolean `env` is added to ours; false in it removes a name
---@field uid? integer|string number or name
---@field gid? integer|string number or name
---@field groups? (integer|string)[]|'init' supplementary groups; init: those of `uid`
---@field umask? integer|string an integer, or octal digits
---@field nice? integer absolute, -20 to 19
---@field rlimits? table<child_process.Resource, child_process.ResourceLimit>
---@field noNewPrivs? boolean it and its descendants never gain privileges
---@field processGroup? true|integer a group of its own, or the one to join
---@field parentDeathSignal? child_process.Signal when the thread that started it ends
---@field timeout? integer milliseconds until killSignal is sent; 0: never
---@field idleTimeout? integer milliseconds without a byte until killSignal is sent; 0: never
---@field waitDelay? integer milliseconds after exit to wait for pipes that others hold
---@field killSignal? child_process.Signal SIGTERM
---@field killAfter? integer milliseconds from our first ending signal to SIGKILL
---@field killDescendants? boolean signals go to everything it has started
---@field cgroup? string path of a cgroup v2 directory to start it in
---@field stdin? child_process.StdioItem as `stdio[1]`
---@field stdout? child_process.StdioItem as `stdio[2]`
---@field stderr? child_process.StdioItem as `stdio[3]`
---@field windowsHide? boolean without effect here
---@field windowsVerbatimArguments? boolean without effect here

--- A terminal for the child.
---@class (exact) child_process.Terminal
---@field cols? integer 80
---@field rows? integer 24
---@field term? string TERM, unless `env` has one: `xterm-256color`
---@field echo? boolean typed input comes back as output: true, but false if raw
---@field raw? boolean bytes as they are: no lines, no editing, no signals

---@class (exact) child_process.SpawnOptions: child_process.CommonOptions
---@field argv0? string
---@field shell? boolean|string true: /bin/sh
---@field detached? boolean a process group of its own
---@field stdio? child_process.StdioOption `pipe`
---@field pty? boolean|child_process.Terminal a terminal instead of `stdio`
---@field customFds? integer[] older form of `stdio`: -1 is a pipe
---@field serialization? 'json'|'advanced'
---@field signal? child_process.AbortSignal
---@field maxBuffer? number bytes per stream that wait() collects
---@field input? string written to stdin, which is then finished

---@class (exact) child_process.ExecOptions: child_process.CommonOptions
---@field argv0? string without effect
---@field shell? boolean|string /bin/sh
---@field customFds? integer[]
---@field pty? boolean|child_process.Terminal a terminal: its output is stdout
---@field signal? child_process.AbortSignal
---@field maxBuffer? number bytes per stream, 1024 * 1024; math.huge: no limit
---@field encoding? child_process.Encoding raw bytes
---@field input? string written to stdin, which is then finished

---@class (exact) child_process.ExecFileOptions: child_process.ExecOptions
---@field detached? boolean a process group of its own
---@field serialization? 'json'|'advanced' without effect

---@class (exact) child_process.ForkOptions: child_process.CommonOptions
---@field argv0? string
---@field shell? boolean|string without effect, as in Node
---@field detached? boolean a process group of its own
---@field stdio? child_process.StdioOption an array must have `ipc`
---@field customFds? integer[]
---@field serialization? 'json'|'advanced' `json`
---@field signal? child_process.AbortSignal
---@field execPath? string the interpreter that runs us
---@field execArgv? string[] its options
---@field launcher? string[] the words of a program that starts the worker elsewhere
---@field quote? boolean whether the worker's command is quoted for a shell: if it is ssh
---@field startTimeout? integer milliseconds until a launched worker must have said hello
---@field silent? boolean pipes instead of our own stdin, stdout, stderr

--- How cp.map goes about it, and for commands the options of each of them.
---@class (exact) child_process.MapOptions: child_process.SpawnOptions
---@field limit? number how many at a time: cp.availableParallelism()
---@field retries? integer how often a failed item is tried again: 0
---@field delay? integer milliseconds before that: 0
---@field stopOnError? boolean the first failure is raised, and nothing more begins

--- Of a request to a pool.
---@class (exact) child_process.RequestOptions
---@field timeout? integer milliseconds from the call; 0: no limit
---@field signal? child_process.AbortSignal
---@field handle? child_process.Handle

---@class (exact) child_process.PoolOptions: child_process.ForkOptions
---@field size? integer how many workers; availableParallelism()
---@field startTimeout? integer milliseconds until a worker has to be ready, 30000; 0: no limit
---@field maxQueue? number how many requests may wait; math.huge
---@field maxRequests? number how many a worker gets before it is replaced; math.huge
---@field launchers? string[][] words that start a worker elsewhere; worker i uses number (i - 1) % n + 1

--- Of one stage, or for all of them.
---@class (exact) child_process.StageOptions: child_process.CommonOptions
---@field argv0? string
---@field shell? boolean|string true: /bin/sh
---@field detached? boolean a process group of its own
---@field signal? child_process.AbortSignal
---@field maxBuffer? number bytes per stream that wait() collects
---@field input? string of the first one: written to stdin, which is then finished

--- `stdin` and `input` are the first stage's, `stdout`, `encoding` and `maxBuffer` the last's.
---@class (exact) child_process.PipelineOptions: child_process.StageOptions
---@field encoding? child_process.Encoding raw bytes

--- A program, its arguments, and options for it alone.
---@class child_process.Stage: child_process.StageOptions
---@field [integer] child_process.Argument

--- Defaults: a call skips those that it does not have.
---@class (exact) child_process.ScopeOptions: child_process.SpawnOptions, child_process.ForkOptions
---@field encoding? child_process.Encoding of exec and execFile

--- Also `{ input = bytes }`: a pipe whose reader gets these.
---@alias child_process.SyncStdioOption child_process.StdioOption|(child_process.StdioItem|child_process.InputItem)[]

---@class (exact) child_process.InputItem
---@field input string

---@class (exact) child_process.SyncOptions: child_process.CommonOptions
---@field stdin? child_process.StdioItem|child_process.InputItem
---@field argv0? string
---@field shell? boolean|string true: /bin/sh
---@field detached? boolean a process group of its own
---@field stdio? child_process.SyncStdioOption `pipe`
---@field maxBuffer? number bytes in all pipes together, 1024 * 1024; math.huge: no limit
---@field encoding? child_process.Encoding raw bytes
---@field input? string written to stdin, which is then finished

--- One slot per descriptor: `output[2]` is stdout.
---@class child_process.Output
---@field n integer
---@field [integer] string?

--- As from `wait`; `pid` is 0 if it could not be started.
---@class child_process.SyncResult: child_process.Result
---@field pid integer

-- Timers --------------------------------------------------------------------------------

---@class child_process.Timer
local Timer = {}

---@return self
function Timer:ref() end

--- It does not keep the loop alive.
---@return self
function Timer:unref() end

---@return boolean
function Timer:hasRef() end

function Timer:close() end

---@class child_process.Immediate
local Immediate = {}

---@return self
function Immediate:ref() end

---@return self
function Immediate:unref() end

---@return boolean
function Immediate:hasRef() end

function Immediate:close() end

-- AbortController -----------------------------------------------------------------------

---@class child_process.AbortEvent
---@field type 'abort'
---@field target child_process.AbortSignal

---@class child_process.AbortSignal
---@field aborted boolean
---@field reason any
---@field onabort? fun(event: child_process.AbortEvent)
local AbortSignal = {}

---@param event 'abort'
---@param listener fun(event: child_process.AbortEvent)
---@param options? child_process.ListenerOptions|boolean
function AbortSignal:addEventListener(event, listener, options) end

---@param event 'abort'
---@param listener fun(event: child_process.AbortEvent)
function AbortSignal:removeEventListener(event, listener) end

--- Raises `reason` if the signal is aborted.
function AbortSignal:throwIfAborted() end

---@class (exact) child_process.ListenerOptions
---@field once? boolean

---@class child_process.AbortController
---@field signal child_process.AbortSignal
local AbortController = {}

---@param reason? any an AbortError
function AbortController:abort(reason) end

--- `cp.AbortController()` makes one.
---@class child_process.AbortControllerClass
---@operator call: child_process.AbortController

--- Makes signals; it cannot be called.
---@class child_process.AbortSignalClass
local AbortSignalClass = {}

--- One that is aborted already.
---@param reason? any
---@return child_process.AbortSignal
function AbortSignalClass.abort(reason) end

---@param ms integer milliseconds
---@return child_process.AbortSignal
function AbortSignalClass.timeout(ms) end

--- One that is aborted as soon as one of them is.
---@param signals child_process.AbortSignal[]
---@return child_process.AbortSignal
function AbortSignalClass.any(signals) end

-- process -------------------------------------------------------------------------------

--- This process.  A signal's name is an event; listening does not keep the loop alive.
---@class child_process.Process: child_process.EventEmitter
---@field on child_process.Process.on
---@field once child_process.Process.on
---@field addListener child_process.Process.on
---@field prependListener child_process.Process.on
---@field prependOnceListener child_process.Process.on
---@field pid integer
---@field ppid integer
---@field platform string
---@field env table<string, string> the live environment
---@field argv table<integer, string> `[0]` is the interpreter, `[1]` the script
---@field argv0? string
---@field execPath string
---@field execArgv string[]
---@field exitCode? integer what a forked child exits with
---@field stdin child_process.StandardInput
---@field stdout child_process.StandardOutput
---@field stderr child_process.StandardOutput
---@field connected boolean
---@field channel? child_process.Channel
local Process = {}

--- As `child:send`, to the parent.
---@param message child_process.Message
---@param handle? child_process.Handle
---@param options? child_process.SendOptions
---@param callback? fun(err: child_process.Error?)
---@return boolean
---@overload fun(self: child_process.Process, message: child_process.Message, callback: fun(err: child_process.Error?)): boolean
---@overload fun(self: child_process.Process, message: child_process.Message, handle: child_process.Handle?, callback: fun(err: child_process.Error?)): boolean
function Process:send(message, handle, options, callback) end

function Process:disconnect() end

--- Ends the process, after what was sent is written.
---@param code? integer `exitCode`, or 0
function Process:exit(code) end

---@return string
function Process:cwd() end

---@param directory string
function Process:chdir(directory) end

--- kill(2): a negative pid is a process group.
---@param pid integer
---@param signal? child_process.Signal SIGTERM; 0 only tests
---@return true
function Process:kill(pid, signal) end

---@param mask? integer|string set, if given
---@return integer before
function Process:umask(mask) end

---@return integer nanoseconds of a clock that only goes forward
function Process:hrtime() end

---@return child_process.MemoryUsage
function Process:memoryUsage() end

---@class child_process.StandardInput: child_process.Readable
---@field fd integer
---@field isTTY boolean

---@class child_process.StandardOutput: child_process.Writable
---@field fd integer
---@field isTTY boolean

---@class child_process.MemoryUsage
---@field rss integer bytes
---@field heapUsed integer bytes of this Lua state

-- net -----------------------------------------------------------------------------------

---@class child_process.net.Address
---@field address? string
---@field family? 'IPv4'|'IPv6'
---@field port? integer

---@class child_process.net.Dropped
---@field localAddress? string
---@field localPort? integer
---@field localFamily? string
---@field remoteAddress? string
---@field remotePort? integer
---@field remoteFamily? string

---@class (exact) child_process.net.SocketOptions
---@field fd? integer a connected socket or an end of a pipe, the socket's from now on
---@field handle? userdata
---@field allowHalfOpen? boolean false: our side ends with the other's
---@field readable? boolean
---@field writable? boolean
---@field pauseOnCreate? boolean

---@class (exact) child_process.net.ConnectOptions
---@field port? integer|string
---@field host? string `localhost`
---@field path? string of a local socket, in place of a port
---@field address? string in place of `host`: what `server:address()` returns is taken
---@field family? 0|4|6|'IPv4'|'IPv6'
---@field localAddress? string
---@field localPort? integer

---@class (exact) child_process.net.NewConnectionOptions: child_process.net.SocketOptions, child_process.net.ConnectOptions
---@field timeout? number milliseconds
---@field noDelay? boolean
---@field keepAlive? boolean
---@field keepAliveInitialDelay? number milliseconds

---@class (exact) child_process.net.ServerOptions
---@field allowHalfOpen? boolean
---@field pauseOnConnect? boolean nothing is read from a new socket before resume()
---@field noDelay? boolean
---@field keepAlive? boolean
---@field keepAliveInitialDelay? number milliseconds

---@class (exact) child_process.net.ListenOptions
---@field port? integer|string
---@field host? string
---@field path? string of a local socket
---@field backlog? integer 511
---@field ipv6Only? boolean
---@field fd? integer a socket that is bound or listens, the server's from now on

---@class child_process.net.Socket: child_process.Duplex
---@field on child_process.net.Socket.on
---@field once child_process.net.Socket.on
---@field addListener child_process.net.Socket.on
---@field prependListener child_process.net.Socket.on
---@field prependOnceListener child_process.net.Socket.on
---@field connecting boolean
---@field pending boolean
---@field readyState 'opening'|'open'|'readOnly'|'writeOnly'|'closed'
---@field timeout? number milliseconds
---@field remoteAddress? string
---@field remotePort? integer
---@field remoteFamily? string
---@field localAddress? string
---@field localPort? integer
---@field localFamily? string
---@field server? child_process.net.Server that has accepted it
local Socket = {}

---@param options child_process.net.ConnectOptions
---@param callback? fun()
---@return self
---@overload fun(self: child_process.net.Socket, port: integer|string, host?: string, callback?: fun()): child_process.net.Socket
---@overload fun(self: child_process.net.Socket, port: integer|string, callback: fun()): child_process.net.Socket
function Socket:connect(options, callback) end

---@return child_process.net.Address
function Socket:address() end

--- Emits `timeout` after that long without traffic; 0 turns it off.
---@param ms number milliseconds
---@param callback? fun()
---@return self
function Socket:setTimeout(ms, callback) end

---@param on? boolean
---@return self
function Socket:setNoDelay(on) end

---@param on? boolean
---@param initialDelay? number milliseconds
---@return self
function Socket:setKeepAlive(on, initialDelay) end

--- Destroys it when everything is written.
function Socket:destroySoon() end

--- Closes a TCP connection with a reset.
---@return self
function Socket:resetAndDestroy() end

---@class child_process.net.Server: child_process.EventEmitter
---@field on child_process.net.Server.on
---@field once child_process.net.Server.on
---@field addListener child_process.net.Server.on
---@field prependListener child_process.net.Server.on
---@field prependOnceListener child_process.net.Server.on
---@field listening boolean
---@field allowHalfOpen boolean
---@field pauseOnConnect boolean
---@field maxConnections? integer
local Server = {}

---@param options? child_process.net.ListenOptions|child_process.net.Server
---@param callback? fun()
---@return self
---@overload fun(self: child_process.net.Server, port: integer|string, host?: string, backlog?: integer, callback?: fun()): child_process.net.Server
---@overload fun(self: child_process.net.Server, port: integer|string, host: string, callback: fun()): child_process.net.Server
---@overload fun(self: child_process.net.Server, port: integer|string, callback: fun()): child_process.net.Server
---@overload fun(self: child_process.net.Server, callback: fun()): child_process.net.Server
function Server:listen(options, callback) end

--- A local socket's path; nil while it does not listen.
---@return child_process.net.Address|string|nil
function Server:address() end

--- `close` comes when all connections have ended, those in children included.
---@param callback? fun(err: child_process.Error?)
---@return self
function Server:close(callback) end

---@param callback fun(err: child_process.Error?, count: integer?)
---@return self
function Server:getConnections(callback) end

---@return self
function Server:ref() end

---@return self
function Server:unref() end

--- `net.Socket(…)` makes one; `prototype` holds the methods of all.
---@class child_process.net.SocketClass
---@overload fun(options?: child_process.net.SocketOptions): child_process.net.Socket
---@field prototype child_process.net.Socket

---@class child_process.net.ServerClass
---@overload fun(options?: child_process.net.ServerOptions, onConnection?: fun(socket: child_process.net.Socket)): child_process.net.Server
---@overload fun(onConnection: fun(socket: child_process.net.Socket)): child_process.net.Server
---@field prototype child_process.net.Server

---@class child_process.net
---@field Socket child_process.net.SocketClass
---@field Server child_process.net.ServerClass
local net = {}

---@param options? child_process.net.ServerOptions
---@param onConnection? fun(socket: child_process.net.Socket)
---@return child_process.net.Server
---@overload fun(onConnection: fun(socket: child_process.net.Socket)): child_process.net.Server
function net.createServer(options, onConnection) end

---@param options child_process.net.NewConnectionOptions
---@param callback? fun()
---@return child_process.net.Socket
---@overload fun(port: integer|string, host?: string, callback?: fun()): child_process.net.Socket
---@overload fun(port: integer|string, callback: fun()): child_process.net.Socket
function net.connect(options, callback) end

--- The same as `connect`.
---@param options child_process.net.NewConnectionOptions
---@param callback? fun()
---@return child_process.net.Socket
---@overload fun(port: integer|string, host?: string, callback?: fun()): child_process.net.Socket
---@overload fun(port: integer|string, callback: fun()): child_process.net.Socket
function net.createConnection(options, callback) end

---@param text any
---@return 0|4|6
function net.isIP(text) end

---@param text any
---@return boolean
function net.isIPv4(text) end

---@param text any
---@return boolean
function net.isIPv6(text) end

-- dgram ---------------------------------------------------------------------------------

---@class child_process.dgram.Sender
---@field address string
---@field family 'IPv4'|'IPv6'
---@field port integer
---@field size integer bytes

---@class (exact) child_process.dgram.Options
---@field type 'udp4'|'udp6'
---@field reuseAddr? boolean
---@field ipv6Only? boolean

---@class (exact) child_process.dgram.BindOptions
---@field port? integer
---@field address? string
---@field fd? integer a bound UDP socket, this one's from now on

---@class child_process.dgram.Socket: child_process.EventEmitter
---@field on child_process.dgram.Socket.on
---@field once child_process.dgram.Socket.on
---@field addListener child_process.dgram.Socket.on
---@field prependListener child_process.dgram.Socket.on
---@field prependOnceListener child_process.dgram.Socket.on
---@field type 'udp4'|'udp6'
local DgramSocket = {}

---@param port? integer
---@param address? string
---@param callback? fun()
---@return self
---@overload fun(self: child_process.dgram.Socket, options: child_process.dgram.BindOptions, callback?: fun()): child_process.dgram.Socket
---@overload fun(self: child_process.dgram.Socket, port: integer, callback: fun()): child_process.dgram.Socket
---@overload fun(self: child_process.dgram.Socket, callback: fun()): child_process.dgram.Socket
function DgramSocket:bind(port, address, callback) end

--- A string, an array of strings, or `length` bytes of a string from `offset` (from 0) on.
---@param message string|string[]
---@param port? integer
---@param address? string
---@param callback? fun(err: child_process.Error?, bytes: integer?)
---@overload fun(self: child_process.dgram.Socket, message: string, offset: integer, length: integer, port?: integer, address?: string, callback?: fun(err: child_process.Error?, bytes: integer?))
---@overload fun(self: child_process.dgram.Socket, message: string|string[], port: integer, callback: fun(err: child_process.Error?, bytes: integer?))
---@overload fun(self: child_process.dgram.Socket, message: string|string[], callback: fun(err: child_process.Error?, bytes: integer?))
function DgramSocket:send(message, port, address, callback) end

--- `send` goes to that address, and messages come only from there.
---@param port integer
---@param address? string
---@param callback? fun(err: child_process.Error?)
---@overload fun(self: child_process.dgram.Socket, port: integer, callback: fun(err: child_process.Error?))
function DgramSocket:connect(port, address, callback) end

function DgramSocket:disconnect() end

---@return child_process.net.Address
function DgramSocket:address() end

---@return child_process.net.Address
function DgramSocket:remoteAddress() end

---@param callback? fun()
---@return self
function DgramSocket:close(callback) end

---@return self
function DgramSocket:ref() end

---@return self
function DgramSocket:unref() end

---@param on boolean
function DgramSocket:setBroadcast(on) end

---@param ttl integer 1 to 255
---@return integer ttl
function DgramSocket:setTTL(ttl) end

---@param ttl integer 0 to 255
---@return integer ttl
function DgramSocket:setMulticastTTL(ttl) end

---@param on boolean
---@return boolean on
function DgramSocket:setMulticastLoopback(on) end

---@param group string
---@param interface? string
function DgramSocket:addMembership(group, interface) end

---@param group string
---@param interface? string
function DgramSocket:dropMembership(group, interface) end

---@class child_process.dgram.SocketClass
---@overload fun(options: 'udp4'|'udp6'|child_process.dgram.Options, onMessage?: fun(data: string, rinfo: child_process.dgram.Sender)): child_process.dgram.Socket
---@field prototype child_process.dgram.Socket

---@class child_process.dgram
---@field Socket child_process.dgram.SocketClass
local dgram = {}

---@param options 'udp4'|'udp6'|child_process.dgram.Options
---@param onMessage? fun(data: string, rinfo: child_process.dgram.Sender)
---@return child_process.dgram.Socket
function dgram.createSocket(options, onMessage) end

-- Looking inside ------------------------------------------------------------------------

--- An entry of `cp.active()`; which of the optional fields it has depends on its type.
---@class child_process.Active
---@field type 'child'|'stream'|'socket'|'server'|'dgram'|'channel'|'timer'|'immediate'|'tick'|'signal'|'lookup'|'wait'
---@field ref boolean it keeps the loop alive
---@field text string all of it for people
---@field at? string `file:line` where it was made, if cp.debug was on
---@field pid? integer
---@field command? string
---@field hints? string[] what a child may wait for
---@field fd? integer
---@field name? string `stdout`, …
---@field reading? boolean
---@field unwritten? integer bytes
---@field connecting? boolean
---@field address? string
---@field connections? integer
---@field unsent? integer datagrams
---@field blocked? boolean the other side does not read
---@field unanswered? string a handle that was not acknowledged
---@field heldBack? integer messages
---@field unheard? integer messages that came without a listener
---@field left? integer milliseconds
---@field interval? integer milliseconds
---@field callback? string `file:line`
---@field count? integer
---@field signal? string
---@field host? string
---@field what? string `wait()`, `lines()`, …

--- What cp.debug reports; which of the optional fields it has depends on `event`.
---@class child_process.DebugEvent
---@field event 'spawn'|'exit'|'kill'|'connect'|'send'|'receive'|'handle'|'disconnect'
---@field process integer id of the reporting process
---@field time number milliseconds since the module was loaded
---@field pid? integer
---@field file? string
---@field args? string[] with argv[0] first
---@field cwd? string
---@field pty? child_process.Terminal the size of its terminal
---@field at? string `file:line` where it was started
---@field sync? boolean
---@field code? integer|string
---@field signal? string
---@field reason? child_process.Reason|'local'|'peer'|'error'
---@field error? any
---@field duration? number milliseconds
---@field usage? child_process.Usage
---@field delivered? boolean
---@field serialization? 'json'|'advanced'
---@field size? integer bytes
---@field pending? integer bytes
---@field id? string the same in both processes for one message
---@field type? string
---@field state? 'sent'|'waiting'|'acknowledged'|'refused'|'received'

-- The module ----------------------------------------------------------------------------

--- For another event loop that drives this one; each works with and without self.
---@class child_process.Loop
local loop = {}

--- Readable when there is something to do.
---@return integer fd
function loop.pollfd() end

---@return 'r'
function loop.events() end

--- How long to wait at most.
---@return number? seconds nil: without end
function loop.timeout() end

--- `cp.debug(target)` tells what happens to children and on channels, to a function or
--- (`true`) on stderr, and returns the target before; false and nil end it.
---@class child_process.Debug
---@operator call: true|fun(event: child_process.DebugEvent)|nil
local debug = {}

--- The same as a file in Chrome's trace-event format; also CP_TRACE=FILE.
---@param path string|false|nil
function debug.trace(path) end

--- `cp.EventEmitter()` makes one.
---@class child_process.EventEmitterClass: child_process.EventEmitter
---@operator call: child_process.EventEmitter

--- `cp.ChildProcess()` makes one that is not started; `prototype` holds the methods.
---@class child_process.ChildProcessClass
---@operator call: child_process.ChildProcess
---@field prototype child_process.ChildProcess

---@class child_process
---@field _VERSION string
---@field null child_process.Null null in messages; the same value as cjson.null
---@field process child_process.Process
---@field net child_process.net
---@field dgram child_process.dgram
---@field loop child_process.Loop
---@field debug child_process.Debug
---@field EventEmitter child_process.EventEmitterClass
---@field ChildProcess child_process.ChildProcessClass
---@field AbortController child_process.AbortControllerClass
---@field AbortSignal child_process.AbortSignalClass
local cp = {}

--- Starts a program.
---@param command string
---@param args? child_process.Argument[]
---@param options? child_process.SpawnOptions
---@return child_process.ChildProcess
---@overload fun(command: string, options: child_process.SpawnOptions): child_process.ChildProcess
function cp.spawn(command, args, options) end

--- Runs a command in a shell; the callback gets all its output.
---@param command string
---@param options? child_process.ExecOptions
---@param callback? fun(err: child_process.ExecError?, stdout: string, stderr: string)
---@return child_process.ChildProcess
---@overload fun(command: string, callback: fun(err: child_process.ExecError?, stdout: string, stderr: string)): child_process.ChildProcess
function cp.exec(command, options, callback) end

--- Runs a program without a shell; the callback gets all its output.
---@param file string
---@param args? child_process.Argument[]
---@param options? child_process.ExecFileOptions
---@param callback? fun(err: child_process.ExecError?, stdout: string, stderr: string)
---@return child_process.ChildProcess
---@overload fun(file: string, options: child_process.ExecFileOptions, callback?: fun(err: child_process.ExecError?, stdout: string, stderr: string)): child_process.ChildProcess
---@overload fun(file: string, args: child_process.Argument[], callback: fun(err: child_process.ExecError?, stdout: string, stderr: string)): child_process.ChildProcess
---@overload fun(file: string, callback: fun(err: child_process.ExecError?, stdout: string, stderr: string)): child_process.ChildProcess
function cp.execFile(file, args, options, callback) end

--- Starts another Lua interpreter on a module, with a channel.
---@param modulePath string
---@param args? child_process.Argument[]
---@param options? child_process.ForkOptions
---@return child_process.ChildProcess
---@overload fun(modulePath: string, options: child_process.ForkOptions): child_process.ChildProcess
function cp.fork(modulePath, args, options) end

--- Runs a program to its end; the loop stands still meanwhile.
---@param command string
---@param args? child_process.Argument[]
---@param options? child_process.SyncOptions
---@return child_process.SyncResult
---@overload fun(command: string, options: child_process.SyncOptions): child_process.SyncResult
function cp.spawnSync(command, args, options) end

--- Runs a command in a shell to its end.  Raises a child_process.SyncError if it failed.
---@param command string
---@param options? child_process.SyncOptions
---@return string stdout nil where `stdio` has no pipe
function cp.execSync(command, options) end

--- Runs a program to its end.  Raises a child_process.SyncError if it failed.
---@param file string
---@param args? child_process.Argument[]
---@param options? child_process.SyncOptions
---@return string stdout nil where `stdio` has no pipe
---@overload fun(file: string, options: child_process.SyncOptions): string
function cp.execFileSync(file, args, options) end

--- Runs the event loop.  Raises what a callback raised; a further call goes on.
---@param mode? 'default'|'once'|'nowait'
---@return boolean alive
function cp.run(mode) end

--- Leaves cp.run() after this callback.
function cp.stop() end

--- Runs `fn(…)` in a coroutine, in which waiting lets the rest of the program continue.
---@param fn async fun(...)
---@param ... any
---@return thread
function cp.async(fn, ...) end

--- Calls `fn(…, callback)` and waits for `callback(err, …)`: raises `err`, or returns the
--- rest.
---@param fn function
---@param ... any
---@return any ...
function cp.await(fn, ...) end

--- Waits until all of them have closed; the results are in their order.
---@param children child_process.ChildProcess[]
---@param timeout number milliseconds after which it returns nil and 'timeout'
---@return child_process.Result[]? results
---@return 'timeout'|child_process.Error|nil why
---@overload fun(children: child_process.ChildProcess[]): child_process.Result[]
function cp.wait(children, timeout) end

---@param fn fun(...)
---@param ms? number milliseconds
---@param ... any
---@return child_process.Timer
function cp.setTimeout(fn, ms, ...) end

---@param fn fun(...)
---@param ms? number milliseconds
---@param ... any
---@return child_process.Timer
function cp.setInterval(fn, ms, ...) end

--- At the end of this turn of the loop.
---@param fn fun(...)
---@param ... any
---@return child_process.Immediate
function cp.setImmediate(fn, ...) end

--- Once the current callback has returned.
---@param fn fun(...)
---@param ... any
function cp.nextTick(fn, ...) end

---@param timer? child_process.Timer
function cp.clearTimeout(timer) end

---@param timer? child_process.Timer
function cp.clearInterval(timer) end

---@param immediate? child_process.Immediate
function cp.clearImmediate(immediate) end

--- Workers that run a program, which calls `cp.serve`.
---@param file string
---@param args? child_process.Argument[]
---@param options? child_process.PoolOptions
---@return child_process.Pool
---@overload fun(file: string, options: child_process.PoolOptions): child_process.Pool
function cp.pool(file, args, options) end

--- In a worker: answers the requests of a pool, one at a time, in a coroutine.
---@param fn fun(request: any, handle: any): any
function cp.serve(fn) end

--- Starts programs of which each reads what the one before it writes.
---@param stages child_process.Stage[]
---@param options? child_process.PipelineOptions
---@return child_process.Pipeline
function cp.pipeline(stages, options) end

--- For `local s <close> = cp.scope()`: its children end when the block is left.
---@param options? child_process.ScopeOptions
---@return child_process.Scope
function cp.scope(options) end

--- Calls `fn(item, index)`, or runs a command, for each item, so many at a time.
---@param list any[]
---@param fn fun(item: any, index: integer): any
---@param options? child_process.MapOptions
---@return table<integer, any> results with holes where it failed
---@return table<integer, any> errors
---@overload fun(list: (string|number)[], words: (string|number)[], options?: child_process.MapOptions): table<integer, child_process.Result>, table<integer, child_process.Result>
function cp.map(list, fn, options) end

--- At most `n` calls at a time.
---@param n number whole, at least 1
---@return child_process.Limit
function cp.limit(n) end

--- Words for a command line of /bin/sh.
---@param words string|(string|number)[]
---@return string
function cp.quote(words) end

--- How many processors this process may use; at least 1.
---@return integer
function cp.availableParallelism() end

--- What the loop waits for, the oldest first; `tostring` is one line for each.
---@return child_process.Active[]
function cp.active() end

--- In a child that cp.fork has started, this process; else nil.
---@type child_process.Process?
process = nil

return cp
