/** Runs command lines of `party-node` one after another, for `refusals`; its last line is what each of them said. */
import { main } from '../src/node/cli.js';

const lists = JSON.parse(process.argv[2]!) as string[][];
const print = process.stdout.write.bind(process.stdout);
let said = '';
const hear = (text: string | Uint8Array) => {
  said += String(text);
  return true;
};
process.stdout.write = hear as typeof process.stdout.write;
process.stderr.write = hear as typeof process.stderr.write;
const all: { status: unknown; said: string }[] = [];
for (const args of lists) {
  said = '';
  process.exitCode = 0;
  await main(args);
  all.push({ status: process.exitCode, said });
}
print(`\n${JSON.stringify(all)}\n`, () => process.exit(0));
