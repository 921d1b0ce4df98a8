import { SecformerError } from '@secformer/ring';
import { Command, InvalidArgumentError } from 'commander';
import { addKeyCommands } from './cli-keys.js';
import { addLogCommands } from './cli-logs.js';
import { addModelCommands } from './cli-models.js';
import { addNodeCommands } from './cli-nodes.js';

/**
 * The command `party-node`. A wrong flag or a missing file: one line on standard error, exit 2. @param between see
 * `ServeOptions`
 */
export async function main(argv: string[], between?: string): Promise<void> {
  const program = new Command('party-node')
    .description('The nodes of a private inference: two parties that compute on shares and a dealer of randomness')
    .exitOverride();
  addNodeCommands(program, between);
  addKeyCommands(program);
  addModelCommands(program);
  addLogCommands(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    const { exitCode, code, message } = error as { exitCode?: number; code?: string; message: string };
    if (exitCode === 0) return;
    // commander has printed its own line already
    if (error instanceof SecformerError || !code?.startsWith('commander.') || error instanceof InvalidArgumentError)
      process.stderr.write(`party-node: ${message}\n`);
    process.exitCode = 2;
  }
}
