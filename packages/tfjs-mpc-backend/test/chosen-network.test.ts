/** What Programs are planned for where nobody has said. */

import type { Session } from '@secformer/party-node';
import type { Graph } from '@secformer/secformer-ops';
import * as tf from '@tensorflow/tfjs-core';
import test from 'ava';
import '@tensorflow/tfjs-backend-cpu';
import type { Resolved } from '../src/config.js';
import { configure, lastRun } from '../src/index.js';
import { chosenNetwork, forNetwork } from '../src/runtime/chosen-network.js';
import { Connection } from '../src/runtime/connection.js';
import type { RunJob } from '../src/runtime/messages.js';

const far = ['wss://a.example', 'wss://b.example'];

test('round trips of milliseconds are a wan, and shorter ones a lan', (t) => {
  for (const [ms, name] of [
    [0.05, 'lan'],
    [0.5, 'lan'],
    [1.99, 'lan'],
    [2, 'wan'],
    [4, 'wan'],
    [400, 'wan'],
  ] as const) {
    const chosen = chosenNetwork(undefined, far, ms);
    t.is(chosen.name, name, `${ms} ms`);
    t.is(chosen.roundTripMs, ms);
    t.regex(chosen.why, /round trip between the parties takes/);
  }
});

test('what was said outranks it, and this machine is a lan however long its answers take', (t) => {
  t.like(chosenNetwork('lan', far, 400), { name: 'lan', why: 'configured' });
  t.like(chosenNetwork('wan', far, 0.1), { name: 'wan', why: 'configured' });
  for (const here of [
    ['ws://127.0.0.1:1', 'ws://localhost:2'],
    ['wss://[::1]:1', 'wss://127.8.9.1:2'],
  ])
    t.like(chosenNetwork(undefined, here, 90), { name: 'lan', why: 'both parties are on this machine' });
  t.is(chosenNetwork(undefined, ['ws://127.0.0.1:1', far[1]!], 90).name, 'wan');
  t.like(chosenNetwork(undefined, undefined, undefined), {
    name: 'lan',
    why: 'the parties are threads of this process',
  });
  t.regex(chosenNetwork(undefined, far, undefined).why, /have not measured/);
});

const graph: Graph = {
  nodes: [
    { op: 'input', slot: 0, in: [], shape: [2, 8] },
    { op: 'softmax', in: [0], shape: [2, 8] },
  ],
  outputs: [1],
};
const job: RunJob = { graph, slots: [{ tensor: 1 }], revealed: [0], kept: [], suite: 'exact' };

test('a connection plans all its runs for one network, whatever is measured later', async (t) => {
  const asked: Graph[] = [];
  const session = {
    roundTripMs: 40,
    has: () => true,
    run: async (j: RunJob) => {
      asked.push(j.graph);
      return { outputs: [], record: {}, left: [] };
    },
    free() {},
  };
  const connection = new Connection(session as unknown as Session, 1);
  const base = { suite: 'exact', fold: true, syncTimeoutMs: 1000, parties: far } as unknown as Resolved;
  const run = async (more: Partial<Resolved> = {}) => {
    const request = { id: 1, kind: 'run', job, configuration: { ...base, ...more } } as const;
    return connection.perform(request, { onProgress: () => {}, signal: undefined }, () => 1);
  };
  const networks = [];
  for (const ms of [40, 0.1]) {
    session.roundTripMs = ms;
    networks.push(((await run()) as unknown as { network: { name: string } }).network.name);
  }
  t.deepEqual(networks, ['wan', 'wan']);
  t.deepEqual(asked[1], asked[0]);
  t.deepEqual(asked[0], forNetwork(graph, chosenNetwork('wan', far, 1)));
  t.like(asked[0]!.nodes[1], { op: 'softmax', fewRounds: true });
  // What was said is in the graph when it comes
  t.like(await run({ network: 'lan' }), { network: { name: 'lan', why: 'configured' } });
  t.is(asked[2], graph);
});

test.serial('the record of a run says what it was planned for, and why', async (t) => {
  configure({ fold: false });
  await tf.setBackend('secformer');
  await tf.softmax(tf.tensor2d([1, 2, 3, 4], [2, 2])).data();
  t.deepEqual(lastRun()!.network, { name: 'lan', why: 'the parties are threads of this process' });
  configure({ fold: false, network: 'wan' });
  await tf.softmax(tf.tensor2d([1, 2, 3, 4], [2, 2])).data();
  t.deepEqual(lastRun()!.network, { name: 'wan', why: 'configured' });
  configure({});
});
