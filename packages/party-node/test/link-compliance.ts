import test from 'ava';
import type { Link } from '../src/wire/link.js';

/** Two ends of a fresh link, and how to clean up. */
export type Pair = () => Promise<{ a: Link; b: Link; done(): void }>;

export const bytes = (n: number, seed: number) => Uint8Array.from({ length: n }, (_, i) => (i * 31 + seed) & 255);

/** What every link promises, whatever carries it. */
export function complies(name: string, make: Pair): void {
  test(`${name}: frames arrive whole, in order, both ways`, async (t) => {
    const { a, b, done } = await make();
    const got: { a: number[]; b: number[] } = { a: [], b: [] };
    await new Promise<void>((resolve) => {
      const check = () => got.a.length === 3 && got.b.length === 20 && resolve();
      a.onFrame = (f) => {
        got.a.push(f.length);
        check();
      };
      b.onFrame = (f) => {
        t.deepEqual(Uint8Array.from(f), bytes(f.length, got.b.length));
        got.b.push(f.length);
        check();
      };
      for (let i = 0; i < 20; i++) void a.send(bytes(2 + i * 1000, i));
      for (let i = 0; i < 3; i++) void b.send(bytes(i + 2, 0));
    });
    t.deepEqual(
      got.b,
      Array.from({ length: 20 }, (_, i) => 2 + i * 1000),
    );
    done();
  });

  test(`${name}: a view into a larger buffer sends its own bytes only`, async (t) => {
    const { a, b, done } = await make();
    const frame = new Promise<Uint8Array>((resolve) => {
      b.onFrame = (f) => resolve(Uint8Array.from(f));
    });
    const large = bytes(100, 0);
    await a.send(large.subarray(10, 20));
    t.deepEqual(await frame, bytes(100, 0).slice(10, 20));
    t.is(large.length, 100, 'the caller keeps its buffer');
    done();
  });

  test(`${name}: frames in the link's own memory arrive as they were when they were sent`, async (t) => {
    const { a, b, done } = await make();
    const sizes = Array.from({ length: 40 }, (_, i) => (i % 4 === 3 ? 2 ** 20 : 2 ** 17 + 1000 * i));
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const got: boolean[] = [];
      const all = new Promise<void>((resolve) => {
        to.onFrame = async (f) => {
          const n = got.push(Buffer.compare(f, bytes(sizes[got.length]!, got.length)) === 0);
          // Frames pile up at the sender, and memory that comes back is met by others on their way
          if (n % 8 === 0) await new Promise((done) => setTimeout(done, 5));
          if (n === sizes.length) resolve();
        };
      });
      for (const [i, size] of sizes.entries()) {
        const frame = from.frame?.(size) ?? new Uint8Array(size);
        t.is(frame.length, size);
        frame.set(bytes(size, i));
        const sent = from.send(frame);
        if (i % 5 === 4) await sent;
      }
      await all;
      t.deepEqual(
        got,
        sizes.map(() => true),
      );
    }
    done();
  });

  test(`${name}: a slow receiver holds the sender back`, async (t) => {
    const { a, b, done } = await make();
    let release: () => void = () => {};
    b.onFrame = () =>
      new Promise<void>((resolve) => {
        release = resolve;
      });
    let sent = 0;
    const sending = (async () => {
      // 64 MB are more than any buffer between the ends takes
      for (let i = 0; i < 64; i++) {
        await a.send(new Uint8Array(2 ** 20));
        sent++;
      }
    })();
    sending.catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    t.true(sent < 64, 'everything was sent to a receiver that took nothing');
    b.onFrame = () => {};
    release();
    await sending;
    t.is(sent, 64);
    done();
  });

  test(`${name}: closing one end tells the other once, and sending fails from then on`, async (t) => {
    const { a, b, done } = await make();
    let closed = 0;
    const told = new Promise<void>((resolve) => {
      b.onClose = () => {
        closed++;
        resolve();
      };
    });
    a.close('enough');
    await told;
    await t.throwsAsync(a.send(new Uint8Array(2)), { message: /enough/ });
    await t.throwsAsync(b.send(new Uint8Array(2)));
    b.close('again');
    t.is(closed, 1);
    done();
  });
}

/**
 * What no end of a link can do to the process: tests of their own, for an exception that nobody catches would end them
 * all.
 */
export function contains(name: string, make: Pair): void {
  for (const [what, handler] of Object.entries({
    throws: () => {
      throw new Error('not me');
    },
    rejects: () => Promise.reject(new Error('not me')),
  })) {
    test(`${name}: a handler that ${what} closes this link, with its reason, and no other`, async (t) => {
      const [broken, other] = [await make(), await make()];
      broken.b.onFrame = handler;
      const closed = new Promise<string>((resolve) => {
        broken.a.onClose = resolve;
      });
      const got = new Promise<number>((resolve) => {
        other.b.onFrame = (f) => resolve(f.length);
      });
      await broken.a.send(bytes(20, 0));
      t.regex(await closed, /not me/);
      await other.a.send(bytes(20, 0));
      t.is(await got, 20);
      broken.done();
      other.done();
    });
  }

  test(`${name}: an owner that cannot handle the end does not end the process`, async (t) => {
    const { a, b, done } = await make();
    const error = console.error;
    const said = new Promise<string>((resolve) => {
      console.error = (text: string) => resolve(text);
    });
    t.teardown(() => {
      console.error = error;
    });
    b.onClose = () => {
      throw new Error('not prepared for this');
    };
    a.close('enough');
    t.regex(await said, /enough.*not prepared for this/s);
    done();
  });
}
