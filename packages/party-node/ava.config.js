/** What waits longest begins first, so that the others run meanwhile. */
const FIRST = [
  'memory.slow',
  'clients.slow',
  'attacks/flood.slow',
  'hostile-client',
  'nodes.slow',
  'service/crashes.slow',
  'faults/fuzz.slow',
  'attacks/logs.slow',
];

const place = (file) => {
  const at = FIRST.findIndex((name) => file.endsWith(`/${name}.test.js`));
  return at < 0 ? FIRST.length : at;
};

export default {
  files: ['dist/test/**/*.test.js'],
  timeout: '5m',
  // Much of these tests is waiting
  concurrency: 4,
  sortTestFiles: (a, b) => place(a) - place(b) || (a < b ? -1 : 1),
};
