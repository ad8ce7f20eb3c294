// Worker of lua_parent_node_worker.lua: takes URLs apart with Node's parser.
'use strict';

process.on('message', ({ id, text }) => {
  try {
    const { protocol, host, pathname, searchParams } = new URL(text);
    const query = Object.fromEntries(searchParams);
    process.send({ id, url: { protocol, host, pathname, query } });
  } catch (err) {
    process.send({ id, problem: err.code });
  }
});
