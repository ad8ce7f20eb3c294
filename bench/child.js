// What peer_node.js forks: counts its messages, and answers all of them or only 'last'.
// SPDX-License-Identifier: MIT
'use strict';
const answersAll = process.argv[2] === 'answer';
let count = 0;

process.on('message', (message) => {
  count++;
  if (answersAll) {
    process.send(message);
  } else if (message === 'last') {
    process.send(count);
    count = 0;
  }
});

process.send('ready');
