#!/usr/bin/env -S node --single-threaded-gc --v8-pool-size=1 --initial-old-space-size=128
import { main } from './dist/src/node/cli.js';

await main(process.argv.slice(2));
