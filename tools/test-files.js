// Which test files AVA runs: `npm run test:long` runs NAME.long.test.js, which take too long for each change, and
// `npm test` all others.

/** @param folder of a package's compiled tests */
export function testFiles(folder) {
  const long = `${folder}/**/*.long.test.js`;
  return process.env.SECFORMER_TESTS === 'long' ? [long] : [`${folder}/**/*.test.js`, `!${long}`];
}
