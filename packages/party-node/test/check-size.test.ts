import { type Program, programLimits } from '@secformer/secformer-ops';
import test from 'ava';
import { checkSize } from '../src/client/check-size.js';

test('a program that is more than nodes take is refused with the limit and what to do', (t) => {
  const of = (lengths: Partial<Record<keyof Program, number>>) => {
    const lists = { inputs: 1, instructions: 1, outputs: 1, keeps: 0, ...lengths };
    return Object.fromEntries(Object.entries(lists).map(([name, length]) => [name, { length }])) as unknown as Program;
  };
  for (const name of ['instructions', 'inputs', 'outputs', 'keeps'] as const) {
    const most = programLimits[name];
    t.notThrows(() => checkSize(of({ [name]: most })));
    const message = new RegExp(
      `^client: the read is a program of ${most + 1} ${name}, and nodes take ${most} at most; read tensors on the way`,
    );
    t.throws(() => checkSize(of({ [name]: most + 1 })), { code: 'LIMIT_EXCEEDED', message });
  }
});
