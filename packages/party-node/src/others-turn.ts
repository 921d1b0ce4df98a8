import { limits } from './limits.js';

const soon: (go: () => void) => void = globalThis.setImmediate ?? ((go) => setTimeout(go));

let since = performance.now();
let turn: Promise<void> | undefined;

/**
 * Gives other events of this thread their turn where they have had none for a while: answers, pings and a page's
 * drawing need not wait for a tensor that is packed or sent. All that works on the thread stops for the same turn, for
 * awaiting what is done already lets none of them in.
 */
export async function othersTurn(): Promise<void> {
  if (performance.now() - since < limits.turnMs) return;
  turn ??= new Promise((resolve) =>
    soon(() => {
      since = performance.now();
      turn = undefined;
      resolve();
    }),
  );
  await turn;
}
