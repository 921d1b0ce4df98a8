/** `npm run test:long` runs what takes too long for each change. */
const LONG = 'test/**/*.long.test.js';

export default {
  files: process.env.SECFORMER_TESTS === 'long' ? [LONG] : ['test/**/*.test.js', `!${LONG}`],
  timeout: '5m',
};
