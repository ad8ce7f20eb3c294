// The measures of this folder for Node's own child_process.
// SPDX-License-Identifier: MIT
'use strict';
const cp = require('node:child_process');
const fs = require('node:fs');

const MIB = 1 << 20;
const CHUNK = Buffer.alloc(64 * 1024, 'x');
const WARM_UP = 32;

function expect(expected, got) {
  if (expected !== got) throw new Error(`${got} bytes instead of ${expected}`);
}

function start(file, args, onData, done) {
  const child = cp.spawn(file, args);
  child.stdout.on('data', onData);
  child.stderr.on('data', () => {});
  child.on('close', (code) => {
    expect(0, code);
    done();
  });
  return child;
}

// `wc -c` has the last word on what arrived.
function startCount(bytes, done) {
  let text = '';
  return start('/usr/bin/wc', ['-c'], (chunk) => (text += chunk), () => {
    expect(bytes, Number(text));
    done();
  });
}

const operations = {
  spawn: (done) => start('/bin/true', [], () => {}, done),
  exec: (done) =>
    cp.exec('true', (err) => {
      if (err) throw err;
      done();
    }),
};

const syncs = {
  sync: () => expect(0, cp.spawnSync('/bin/true').status),
  'sync-exec': () => cp.execSync('true'),
  load: () =>
    expect(0, cp.spawnSync(process.execPath, ['-e', "require('child_process')"]).status),
};

const flows = {
  'sync-read'(bytes, file, done) {
    const args = ['-c', String(bytes), '/dev/zero'];
    const output = cp.execFileSync('/usr/bin/head', args, { maxBuffer: Infinity });
    expect(bytes, output.length);
    done();
  },

  read(bytes, file, done) {
    let total = 0;
    const args = file ? [file] : ['-c', String(bytes), '/dev/zero'];
    const count = (chunk) => (total += chunk.length);
    start(file ? '/bin/cat' : '/usr/bin/head', args, count, () => {
      expect(bytes, total);
      done();
    });
  },

  write(bytes, file, done) {
    const stdin = startCount(bytes, done).stdin;
    let left = bytes;
    (function more() {
      while (left > 0) {
        left -= CHUNK.length;
        if (!stdin.write(CHUNK)) return stdin.once('drain', more);
      }
      stdin.end();
    })();
  },

  pipe(bytes, file, done) {
    let open = 2;
    const closed = () => --open || done();
    const head = cp.spawn('/usr/bin/head', ['-c', String(bytes), '/dev/zero']);
    head.on('close', closed);
    head.stdout.pipe(startCount(bytes, closed).stdin);
  },
};

function batch(operation, count, parallel, done) {
  let started = 0;
  let ended = 0;
  function next() {
    started++;
    operation(() => {
      if (++ended === count) done();
      else if (started < count) next();
    });
  }
  while (started < Math.min(count, parallel)) next();
}

function measureBatch(operation, count, parallel) {
  batch(operation, Math.floor(count / 10) + parallel, parallel, () => {
    const begin = process.hrtime.bigint();
    batch(operation, count, parallel, () => {
      console.log((Number(process.hrtime.bigint() - begin) / 1e3 / count).toFixed(3));
    });
  });
}

function measureSync(operation, count) {
  for (let i = 0; i <= count / 10; i++) operation();
  const begin = process.hrtime.bigint();
  for (let i = 0; i < count; i++) operation();
  console.log((Number(process.hrtime.bigint() - begin) / 1e3 / count).toFixed(3));
}

function measureFlow(flow, mib, file) {
  flow(WARM_UP * MIB, undefined, () => {
    const begin = process.hrtime.bigint();
    flow(mib * MIB, file, () => {
      console.log((mib / (Number(process.hrtime.bigint() - begin) / 1e9)).toFixed(3));
    });
  });
}

const CHILD = require('node:path').join(__dirname, 'child.js');
const BATCH = 1 << 16; // bytes that are sent before we wait until they are written

const now = () => Number(process.hrtime.bigint());
const print = (value) => console.log(value.toFixed(3));

// Calls `ready(child)` at the first message, `answered(child, message)` at each other.
function fork(serialization, role, ready, answered) {
  const child = cp.fork(CHILD, [role], { serialization });
  child.once('message', () => {
    child.on('message', (message) => answered(child, message));
    ready(child);
  });
  return child;
}

// Sends as much as one would: the callback of the last message of a batch goes on.
function sendMany(child, count, body) {
  const batch = Math.max(1, Math.floor(BATCH / (body.length + 32)));
  (function more() {
    for (let i = Math.min(batch, count); i > 0; i--) {
      const last = i === 1 && count > 1;
      child.send({ id: count, body }, undefined, undefined, last ? more : undefined);
      count--;
    }
    if (count === 0) {
      count = -1;
      child.send('last');
    }
  })();
}

// Calls `look(child, nanoseconds)` with one child after the other.
function oneByOne(count, look, done) {
  const begin = now();
  const child = fork('json', 'answer', (ready) => {
    look(ready, now() - begin);
    ready.disconnect();
  });
  child.on('exit', () => (count > 1 ? oneByOne(count - 1, look, done) : done()));
}

const talks = {
  trip(count, mode) {
    let left = count + Math.floor(count / 10);
    let begin;
    const send = (child) => child.send({ id: left, body: 'twenty bytes of text' });
    fork(mode, 'answer', send, (child, message) => {
      expect(left, message.id);
      left--;
      if (left === count) begin = now();
      if (left > 0) return send(child);
      print((now() - begin) / 1e3 / count);
      child.disconnect();
    });
  },

  oneway(count, mode, size) {
    const body = 'x'.repeat(size);
    let begin;
    const warmUp = (child) => sendMany(child, Math.floor(count / 10), body);
    fork(mode, 'count', warmUp, (child, received) => {
      if (begin) {
        expect(count + 1, received);
        print(count / ((now() - begin) / 1e9));
        return child.disconnect();
      }
      begin = now();
      sendMany(child, count, body);
    });
  },

  fork(count) {
    let total = 0;
    const look = (child, nanoseconds) => (total += nanoseconds);
    oneByOne(2, () => {}, () => {
      oneByOne(count, look, () => print(total / 1e3 / count));
    });
  },

  memory(count) {
    let total = 0;
    const look = (child) => {
      const status = fs.readFileSync(`/proc/${child.pid}/status`, 'latin1');
      total += Number(/VmRSS:\s*(\d+) kB/.exec(status)[1]);
    };
    oneByOne(count, look, () => print(total / count));
  },
};

function makeResident(mib) {
  const blocks = Array.from({ length: mib }, () => Buffer.alloc(MIB, 'x'));
  const pages = Number(fs.readFileSync('/proc/self/statm', 'latin1').split(' ')[1]);
  if (pages * 4096 < mib * MIB) throw new Error('the memory is not resident');
  return blocks;
}

const [name, count, second, third, fourth] = process.argv.slice(2);
for (let i = 0; i < Number(fourth || 0); i++) fs.openSync('/dev/null');
if (operations[name] || syncs[name]) globalThis.resident = makeResident(Number(third || 0));
if (talks[name]) talks[name](Number(count), second, Number(third));
else if (syncs[name]) measureSync(syncs[name], Number(count));
else if (operations[name]) measureBatch(operations[name], Number(count), Number(second || 1));
else measureFlow(flows[name], Number(count), second);
