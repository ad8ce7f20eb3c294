// A Node parent with a Lua worker: node node_parent.js [LUA]
// LUA (default lua5.4) must find the module `child_process`, by LUA_PATH if need be.
'use strict';
const { fork } = require('node:child_process');
const path = require('node:path');

const jobs = [
  { text: 'key = value', pattern: '(%w+) = (%w+)', replacement: '%2 = %1' },
  { text: 'f(a(b)c)d', pattern: '%b()', replacement: '[]' },
  { text: 'oops', pattern: '[', replacement: '' },
];

const worker = fork(path.join(__dirname, 'workers', 'lua_worker.lua'), {
  execPath: process.argv[2] || 'lua5.4',
});
let left = jobs.length;

jobs.forEach((job, id) => worker.send({ id, ...job }));

worker.on('message', ({ id, text, count, problem }) => {
  const { text: before, pattern } = jobs[id];
  console.log(`${before} by ${pattern}: ${problem || `${text} (${count} times)`}`);
  if (--left === 0) worker.disconnect();
});
