import { testFiles } from '../../tools/test-files.js';

export default {
  files: testFiles('dist/test'),
  concurrency: 3,
  timeout: '5m',
};
