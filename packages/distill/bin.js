#!/usr/bin/env node
import { main } from './dist/src/index.js';

const code = await main(process.argv.slice(2));
// Once all that was printed has been taken, whatever still runs
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
