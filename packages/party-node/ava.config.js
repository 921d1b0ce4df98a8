/** What waits longest begins first, so that the others run meanwhile. */
const FIRST = [
  'memory.long',
  'clients.long',
  'hostile-client',
  'nodes.slow',
  'service/crashes.long',
  'faults/fuzz.slow',
  'attacks/logs.long',
];

const place = (file) => {
  const at = FIRST.findIndex((name) => file.endsWith(`/${name}.test.js`));
  return at < 0 ? FIRST.length : at;
};

/** `npm run test:long` runs what takes too long for each change. */
const LONG = 'dist/test/**/*.long.test.js';

export default {
  files: process.env.SECFORMER_TESTS === 'long' ? [LONG] : ['dist/test/**/*.test.js', `!${LONG}`],
  timeout: '5m',
  // Much of these tests is waiting
  concurrency: 4,
  sortTestFiles: (a, b) => place(a) - place(b) || (a < b ? -1 : 1),
};
