import type { Command } from 'commander';
import { verifyRunLogs } from '../operation/verify-run-log.js';

/** The command `verify-log`. */
export function addLogCommands(program: Command): void {
  program
    .command('verify-log')
    .description('follows the chain of a run log; of one that was rotated give all files, the oldest first')
    .argument('<files...>')
    .exitOverride()
    .action(async (files: string[]) => {
      const { well, lines } = await verifyRunLogs(files);
      process.stdout.write(`${lines.join('\n')}\n`);
      if (!well) process.exitCode = 1;
    });
}
