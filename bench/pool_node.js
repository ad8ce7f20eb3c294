// pool_node.js piscina|workerpool small|large COUNT: see measures.lua.  The same file is the
// worker of both.
// SPDX-License-Identifier: MIT
'use strict';
const { isMainThread } = require('worker_threads');
const [, , name, what, text] = process.argv;

const work = (request) => (typeof request === 'object' ? request.n + 1 : request);

function start() {
  if (name === 'piscina') {
    const { Piscina } = require('piscina');
    const pool = new Piscina({ filename: __filename, minThreads: 2, maxThreads: 2 });
    return { run: (request) => pool.run(request), end: () => pool.destroy() };
  }
  const pool = require('workerpool').pool(__filename, { minWorkers: 2, maxWorkers: 2 });
  return { run: (request) => pool.exec('work', [request]), end: () => pool.terminate() };
}

const WINDOWS = { small: 1000, large: 16 };
const TEXT = 'x'.repeat(1 << 20);

async function batch(pool, total) {
  let begun = 0;
  async function lane() {
    while (begun < total) {
      const n = ++begun;
      const reply = await pool.run(what === 'small' ? { n } : TEXT);
      if (reply !== (what === 'small' ? n + 1 : TEXT)) throw new Error('wrong reply');
    }
  }
  await Promise.all(Array.from({ length: WINDOWS[what] }, lane));
}

async function main() {
  const pool = start();
  const count = Number(text);
  await batch(pool, Math.floor(count / 5));
  const begin = process.hrtime.bigint();
  await batch(pool, count);
  const seconds = Number(process.hrtime.bigint() - begin) / 1e9;
  console.log((count / seconds).toFixed(1));
  await pool.end();
}

if (isMainThread) main();
else if (process.env.NODE_PATH && !require('piscina').isWorkerThread) require('workerpool').worker({ work });
module.exports = work;
