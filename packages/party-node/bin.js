#!/usr/bin/env node
import { main } from './dist/src/node/cli.js';

await main(process.argv.slice(2));
