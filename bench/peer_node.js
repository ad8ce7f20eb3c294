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

const flows = {
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

function measureFlow(flow, mib, file) {
  flow(WARM_UP * MIB, undefined, () => {
    const begin = process.hrtime.bigint();
    flow(mib * MIB, file, () => {
      console.log((mib / (Number(process.hrtime.bigint() - begin) / 1e9)).toFixed(3));
    });
  });
}

function makeResident(mib) {
  const blocks = Array.from({ length: mib }, () => Buffer.alloc(MIB, 'x'));
  const pages = Number(fs.readFileSync('/proc/self/statm', 'latin1').split(' ')[1]);
  if (pages * 4096 < mib * MIB) throw new Error('the memory is not resident');
  return blocks;
}

const [name, count, second, mib] = process.argv.slice(2);
globalThis.resident = makeResident(Number(mib || 0));
if (operations[name]) measureBatch(operations[name], Number(count), Number(second || 1));
else measureFlow(flows[name], Number(count), second);
