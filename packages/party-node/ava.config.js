import { testFiles } from '../../tools/test-files.js';

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

export default {
  files: testFiles('dist/test'),
  timeout: '5m',
  // Much of these tests is waiting
  concurrency: 4,
  sortTestFiles: (a, b) => place(a) - place(b) || (a < b ? -1 : 1),
};
