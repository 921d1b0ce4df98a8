import test from 'ava';
import { limits } from '../src/limits.js';
import { Dealer } from '../src/node/dealer.js';

/** A dealer without links, whose turns are taken by hand. */
class Turns extends Dealer {
  enter(ticket: string) {
    const run = this.newRun({} as never, { ticket, inputs: [], mode: 'prepared' } as never, {} as never);
    return { turn: this.admit(run), leave: () => this.release(run) };
  }
}

test('runs take turns at the dealer, and beyond those that may wait one is told that it is busy', async (t) => {
  const dealer = new Turns({ role: 'dealer', tokens: {} as never, threads: 1, dial: {} });
  const active = Array.from({ length: limits.concurrentRuns }, (_, i) => dealer.enter(`active ${i}`));
  await Promise.all(active.map((a) => a.turn));
  const had: number[] = [];
  const waiting = Array.from({ length: limits.queuedRuns }, (_, i) => dealer.enter(`waiting ${i}`));
  for (const [i, w] of waiting.entries()) void w.turn.then(() => had.push(i));
  await t.throwsAsync(dealer.enter('one more').turn, { code: 'BUSY', message: /2 runs are under way and 32 wait; try again later/ });
  t.deepEqual(had, []);
  // One that gives up makes room for another; a turn goes to whoever waits longest
  waiting[0]!.leave();
  const late = dealer.enter('late');
  active[0]!.leave();
  await waiting[1]!.turn;
  t.deepEqual(had, [1]);
  for (const w of [active[1]!, ...waiting.slice(1)]) w.leave();
  await t.notThrowsAsync(late.turn);
  late.leave();
});
