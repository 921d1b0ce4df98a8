import { testFiles } from './test-files.js';

export default {
  files: testFiles('test'),
  timeout: '5m',
};
