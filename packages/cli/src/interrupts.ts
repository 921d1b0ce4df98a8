/** Ctrl-C and SIGTERM: the first ends what a command does, the second the process. */

/** Why a command was ended. */
export class Interrupted extends Error {
  /** as shells have it: 128 and the signal's number */
  readonly exit: number;

  constructor(name: 'SIGINT' | 'SIGTERM') {
    super('interrupted');
    this.exit = EXITS[name];
  }
}

const EXITS = { SIGINT: 130, SIGTERM: 143 } as const;

/** How a command hears that it is to end. */
export interface Interrupts {
  signal: AbortSignal;
  /** from then on the process ends as it does without a command */
  release(): void;
}

/** Those of this process, from now on. */
export function interrupts(): Interrupts {
  const controller = new AbortController();
  const heard = (name: NodeJS.Signals) => {
    const why = new Interrupted(name as keyof typeof EXITS);
    if (controller.signal.aborted) process.exit(why.exit);
    controller.abort(why);
  };
  const names = Object.keys(EXITS) as (keyof typeof EXITS)[];
  for (const name of names) process.on(name, heard);
  return {
    signal: controller.signal,
    release() {
      for (const name of names) process.off(name, heard);
    },
  };
}
