/** The command `secformer`, as a function. */
export { main } from './cli.js';
export type { Interrupts } from './interrupts.js';
export type { LoadOptions, Model, Service } from './service.js';
export type { Terminal } from './terminal.js';
