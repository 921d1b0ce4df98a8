/** `npm run test:long` runs what takes too long for each change. */
const LONG = 'dist/test/**/*.long.test.js';

export default {
  files: process.env.SECFORMER_TESTS === 'long' ? [LONG] : ['dist/test/**/*.test.js', `!${LONG}`],
  concurrency: 3,
  timeout: '5m',
};
