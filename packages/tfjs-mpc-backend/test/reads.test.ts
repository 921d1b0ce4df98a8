/** Reads own what they need from the moment they are called, and what is asked for at once is shared once. */
import * as tf from '@tensorflow/tfjs';
import test from 'ava';
import { asPublic, configure, lastRun, prepare, type RunProgress, share } from '../src/index.js';
import type { Request } from '../src/runtime/messages.js';
import { runtime } from '../src/runtime/node.js';
import { sample } from './harness.js';

const given = (seed = 1) => tf.tensor2d(sample(24, -2, 2, seed), [4, 6]);
const squares = (seed = 1) => sample(24, -2, 2, seed).map((v) => v * v);
const close = (got: ArrayLike<number>, want: ArrayLike<number>) =>
  got.length === want.length && Array.from(got).every((v, i) => Math.abs(v - want[i]!) < 1e-3);
const held = () => [tf.memory().numTensors, tf.engine().backend.numDataIds()];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What goes to the session's thread while f runs. */
async function asked(f: () => Promise<unknown>): Promise<Request[]> {
  const seen: Request[] = [];
  const { ask, askSync, tell } = runtime;
  runtime.ask = (r, hear) => {
    seen.push(r);
    return ask.call(runtime, r, hear);
  };
  runtime.askSync = (r, ms) => {
    seen.push(r);
    return askSync.call(runtime, r, ms);
  };
  runtime.tell = (r) => {
    seen.push(r);
    tell.call(runtime, r);
  };
  try {
    await f();
  } finally {
    Object.assign(runtime, { ask, askSync, tell });
  }
  return seen;
}

/** The same while every run is refused. */
async function refusing(f: () => Promise<unknown>): Promise<Request[]> {
  const { ask } = runtime;
  const error = { node: 'dealer', code: 'BUSY', message: 'dealer: as the test says' } as const;
  runtime.ask = async (r) => (r.kind === 'run' ? { id: r.id, session: 0, error } : ask.call(runtime, r));
  try {
    return await asked(f);
  } finally {
    runtime.ask = ask;
  }
}

const jobs = (requests: Request[]) =>
  requests.flatMap((r) => (r.kind === 'run' || r.kind === 'prepare' ? [r.job] : []));
const written = (requests: Request[]) =>
  requests.flatMap((r) => (r.kind === 'share' ? r.writes.map((w) => w.tensor) : []));
const freed = (requests: Request[]) => requests.flatMap((r) => (r.kind === 'free' ? r.tensors : []));

const ways: Record<string, () => Promise<ArrayLike<number>>> = {
  dispose: () => {
    const x = given();
    const y = x.square();
    const p = y.data();
    tf.dispose([x, y]);
    return p;
  },
  'data in tidy': () => {
    let p: Promise<ArrayLike<number>> | undefined;
    tf.tidy(() => {
      p = given().square().data();
    });
    return p!;
  },
  'array in tidy': async () => {
    let p: Promise<number[][]> | undefined;
    tf.tidy(() => {
      p = given().square().array() as Promise<number[][]>;
    });
    return (await p!).flat();
  },
  'bytes in tidy': async () => {
    let p: Promise<Uint8Array> | undefined;
    tf.tidy(() => {
      p = given().square().bytes() as Promise<Uint8Array>;
    });
    const b = await p!;
    return new Float32Array(b.buffer, b.byteOffset, b.byteLength / 4);
  },
  scope: async () => {
    tf.engine().startScope();
    try {
      return given().square().data();
    } finally {
      tf.engine().endScope();
    }
  },
  'scope that waits': async () => {
    tf.engine().startScope();
    try {
      return await given().square().data();
    } finally {
      tf.engine().endScope();
    }
  },
};

test.serial('a tensor may be disposed of while it is read, in every way', async (t) => {
  const before = held();
  for (const [name, way] of Object.entries(ways)) t.true(close(await way(), squares()), name);
  const all = await Promise.all(Object.values(ways).map((way) => way()));
  t.true(
    all.every((got) => close(got, squares())),
    'queued behind one another',
  );
  t.deepEqual(held(), before);
});

test.serial('what a read needs may go at any time while it is under way, and its shares go after it', async (t) => {
  for (let ms = 0; ms < 12; ms++) {
    const [x, y] = [given(ms + 1), given(ms + 2)];
    const z = tf.tidy(() => x.mul(y).add(x));
    await share(z);
    let p: Promise<Float32Array> | undefined;
    const requests = await asked(async () => {
      p = z.data() as Promise<Float32Array>;
      await pause(ms);
      tf.dispose([x, y, z]);
      await p;
      await pause(0);
    });
    const [a, b] = [sample(24, -2, 2, ms + 1), sample(24, -2, 2, ms + 2)];
    t.true(
      close(
        await p!,
        a.map((v, i) => v * b[i]! + v),
      ),
      `after ${ms} ms`,
    );
    const slots = jobs(requests)[0]!.slots.map((s) => ('tensor' in s ? s.tensor : 0));
    t.deepEqual(freed(requests).sort(), slots.sort(), 'and nothing stays at the nodes');
  }
});

test.serial('a read that its tensor does not outlive is the same program', async (t) => {
  const model = () => {
    const x = given();
    return tf.softmax(
      x
        .matMul(x, false, true)
        .mul(0.3)
        .add(tf.tensor1d([0.1, 0.2, 0.3, 0.4])),
    );
  };
  const kept = await asked(() => tf.tidy(model).data());
  const gone = await asked(() => {
    const y = tf.tidy(model);
    const p = y.data();
    y.dispose();
    return p;
  });
  const inside = await asked(() => {
    let p: Promise<unknown> | undefined;
    tf.tidy(() => {
      p = model().data();
    });
    return p!;
  });
  const ahead = await asked(() => {
    let p: Promise<unknown> | undefined;
    tf.tidy(() => {
      p = prepare(model());
    });
    return p!;
  });
  const [want, ...others] = [kept, gone, inside, ahead].map((r) => JSON.stringify(jobs(r)[0]!.graph));
  t.deepEqual(others, [want, want, want]);
  t.is(jobs(inside)[0]!.kept.length, 0);
});

test.serial('reads of one tensor at the same time are one run, that one time may fail', async (t) => {
  const y = given().square();
  const failed = await refusing(() =>
    Promise.allSettled([y.data(), y.array()]).then((all) =>
      t.true(all.every((s) => s.status === 'rejected' && s.reason.code === 'BUSY')),
    ),
  );
  t.is(jobs(failed).length, 1);
  const requests = await asked(async () => {
    const [a, b] = await Promise.all([y.data(), y.array(), y.data()]);
    t.true(close(a as Float32Array, (b as number[][]).flat()));
  });
  t.is(jobs(requests).length, 1);
});

test.serial('share, prepare, data and dataSync at once are one sharing', async (t) => {
  for (let round = 0; round < 3; round++) {
    const [x, w] = [given(round + 1), given(round + 9)];
    const y = x.mul(w);
    const want = sample(24, -2, 2, round + 1).map((v, i) => v * sample(24, -2, 2, round + 9)[i]!);
    const requests = await asked(async () => {
      const [, , prepared, data] = await Promise.all([share(y), share(y), prepare(y), y.data()]);
      t.true(close(data as Float32Array, want));
      t.true(close((await prepared.run()).values, want));
    });
    t.is(written(requests).length, 2, 'each of the two tensors once');
  }
});

test.serial('dataSync beside reads that are under way', async (t) => {
  t.timeout(60_000);
  for (let round = 0; round < 10; round++) {
    // Not one that rounds alike in every run
    const power = () => tf.tidy(() => given(round + 1).exp());
    const plus = (n: number) => sample(24, -2, 2, round + 1).map((v) => Math.exp(v) + n);
    const [y, z] = [power(), tf.tidy(() => power().add(1))];
    const requests = await asked(async () => {
      const all = Promise.all([y.data(), share(z), z.data()]);
      await pause(round % 5);
      const [same, other] = [y.dataSync(), tf.tidy(() => power().sub(1).dataSync())];
      t.true(close(same, plus(0)) && close(other, plus(-1)), `round ${round}`);
      const [data, , more] = await all;
      t.deepEqual(data, same, 'one tensor has one value');
      t.true(close(more, plus(1)));
      t.deepEqual(await y.data(), same);
      tf.dispose([y, z]);
    });
    for (const tensor of written(requests)) {
      const last = (kind: string, has: (r: Request) => boolean) =>
        requests.findLastIndex((r) => r.kind === kind && has(r));
      const shared = last('share', (r) => written([r]).includes(tensor));
      t.true(last('free', (r) => freed([r]).includes(tensor)) > shared, 'what was shared is freed after that');
    }
  }
});

test.serial('a read that fails lets everything go, and others go on', async (t) => {
  const before = held();
  const requests = await asked(async () => {
    const [bad, good] = [
      tf.tidy(() =>
        given()
          .square()
          .add(tf.fill([4, 6], 1e6).add(tf.tensor1d([1e6]))),
      ),
      tf.tidy(() => given().square()),
    ];
    const all = [bad.data(), good.data(), bad.array(), share(bad), prepare(bad)];
    tf.dispose([bad, good]);
    const settled = await Promise.allSettled(all);
    t.deepEqual(
      settled.map((s) => s.status),
      ['rejected', 'fulfilled', 'rejected', 'rejected', 'rejected'],
    );
    for (const s of settled) if (s.status === 'rejected') t.is(s.reason.code, 'VALUE_OUT_OF_RANGE');
    t.true(close((settled[1] as PromiseFulfilledResult<Float32Array>).value, squares()));
    await pause(0);
  });
  const refused = await refusing(async () => {
    const y = tf.tidy(() => given().square());
    const p = y.data();
    y.dispose();
    await t.throwsAsync(p, { code: 'BUSY' });
  });
  t.deepEqual(held(), before);
  for (const r of [requests, refused]) {
    t.is(written(r).length, 1);
    t.true(freed(r).includes(written(r)[0]!), 'what was shared is freed');
  }
});

test.serial('a prepared read keeps what it needs until it has run', async (t) => {
  const x = given(5);
  const y = tf.tidy(() => x.square());
  const p = prepare(y);
  tf.dispose([x, y]);
  const prepared = await p;
  const requests = await asked(async () => {
    t.true(close((await prepared.run()).values, squares(5)));
    await t.throwsAsync(() => prepared.run(), { code: 'INPUT_REFUSED' });
  });
  t.is(freed(requests).length, 1);
  t.truthy(lastRun());
});

test.serial('a prepared read that is dropped lets go of what it needs', async (t) => {
  const { setFlagsFromString } = await import('node:v8');
  setFlagsFromString('--expose-gc');
  const { runInNewContext } = await import('node:vm');
  const collect = runInNewContext('gc') as () => void;
  const requests = await asked(async () => {
    await (async () => {
      const x = given(6);
      const y = tf.tidy(() => x.square());
      await prepare(y);
      tf.dispose([x, y]);
    })();
    for (let i = 0; i < 50; i++) {
      await pause(10);
      collect();
    }
  });
  // Those of the tests before go too
  t.true(freed(requests).includes(written(requests)[0]!));
});

test.serial('what is disposed of is refused by name', async (t) => {
  const y = given().square();
  y.dispose();
  for (const f of [share, prepare]) await t.throwsAsync(f(y), { code: 'TENSOR_DISPOSED', message: /shape \[4,6\]/ });
  t.throws(() => asPublic(y), { code: 'TENSOR_DISPOSED' });
});

test.serial('a read says how far it is: nothing falls, and it ends at the whole', async (t) => {
  const events: RunProgress[] = [];
  configure({ onProgress: (e) => events.push(e) });
  t.teardown(() => configure({}));
  const y = tf.square(tf.matMul(given(31), given(32), false, true));
  await y.data();
  const of = lastRun()!.rounds;
  const phases = ['connecting', 'sharing', 'waiting', 'running', 'done'];
  events.forEach(({ phase, done = 0 }, i) => {
    const before = events[i - 1];
    const step = phases.indexOf(phase) - phases.indexOf(before?.phase ?? 'connecting');
    t.true(step > 0 || (step === 0 && done >= (before?.done ?? 0)), JSON.stringify(events));
  });
  t.deepEqual(events.at(-1), { phase: 'done', done: of, of });
  // Two tensors of 24 numbers
  const shared = events.filter(({ phase }) => phase === 'sharing');
  t.deepEqual(
    [shared[0], shared.at(-1)],
    [
      { phase: 'sharing', done: 0, of: 192 },
      { phase: 'sharing', done: 192, of: 192 },
    ],
  );
  t.throws(() => configure({ onProgress: 'console' as never }), { code: 'BAD_CONFIGURATION', message: /a function/ });
});
