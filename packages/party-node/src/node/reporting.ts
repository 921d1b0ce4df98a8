/** What a node's instruments are told of its runs and of its memory. */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Traffic } from '../operation/counted-link.js';
import { type ProgramPlan, planOf } from '../operation/dashboard/program-plan.js';
import type { About, EngineState, ModelState, RunEnded } from '../operation/events.js';
import { nodeName } from '../wire/handshake.js';
import { NODES, type NodeRole } from '../wire/tokens.js';
import type { Budget } from './budget.js';
import type { Catalogue } from './models/catalogue.js';
import type { NodeRun } from './run.js';

/** A run that is over; undefined where nobody has asked for it, or another has gone on in its place. */
export function endedRun(run: NodeRun, role: NodeRole): RunEnded | undefined {
  const { times, error, born, checked, mode, started, trace } = run;
  if ((mode === 'spare' && !started) || run.isFree || run.handedOver) return undefined;
  const { cost, hash } = checked;
  const since = (from: number, to: number) => (from === 0 ? 0 : (to || performance.now()) - from);
  return {
    kind: 'run',
    ...aboutOf(run),
    outcome: error?.code ?? 'OK',
    program: bytesToHex(hash),
    ms: performance.now() - born,
    waitMs: times.begun === 0 ? 0 : times.begun - born,
    prepareMs: since(times.begun, times.prepared),
    onlineMs: since(times.started, 0),
    bytes: role === 'dealer' ? cost.dealer : cost.online,
    rounds: role === 'dealer' ? 0 : cost.rounds,
    ...(trace && { peerMs: trace.waitMs, work: [...trace.perOp.values()] }),
  };
}

function aboutOf({ model, session: { principal } }: NodeRun): About {
  if (!model) return principal.kind === 'publisher' ? { publisher: principal.name } : {};
  const subject = principal.kind === 'asker' ? { subject: principal.grant.subject } : {};
  return { publisher: model.publisher, model: model.title, ...subject };
}

/** Bytes that crossed data connections, by the node at the other end. */
export type DataTraffic = Record<NodeRole, Traffic>;

export function newTraffic(): DataTraffic {
  const none = () => ({ sent: 0, received: 0 });
  return { party0: none(), party1: none(), dealer: none() };
}

export function stateOf(
  budget: Budget,
  runs: Iterable<NodeRun>,
  catalogue: Catalogue,
  traffic: DataTraffic,
): EngineState {
  // A run that the pool has prepared has two names once somebody has it
  const all = [...new Set(runs)];
  const idle = all.filter((run) => (run.mode === 'spare' && !run.started) || run.isFree);
  const prepared = idle.filter((run) => run.isReady || run.times.prepared > 0).length;
  const waiting = all.filter((run) => run.times.begun === 0 && !idle.includes(run)).length;
  return [
    { kind: 'memory', bytes: budget.bytes, held: budget.held, reserved: budget.reserved },
    { kind: 'queue', waiting, underWay: all.length - idle.length - waiting },
    {
      kind: 'pool',
      runs: prepared,
      preparing: idle.length - prepared,
      bytes: idle.reduce((n, run) => n + run.reserved, 0),
    },
    { kind: 'models', models: modelsOf(catalogue) },
    { kind: 'traffic', nodes: NODES.map((role) => ({ node: nodeName[role], ...traffic[role] })) },
  ];
}

/** What a Program of a served model costs; undefined where there is none of that name and number. */
export function planOfModel({ all }: Catalogue, title: string, program: number): ProgramPlan | undefined {
  const model = all.find((m) => m.title === title);
  const published = model?.manifest.programs[program];
  if (!model || !published) return undefined;
  const programs = model.manifest.programs.map(({ inputs }) => inputs.map(({ shape }) => shape));
  return { suite: model.manifest.suite, programs, ...planOf(model.program(published.hash).checked) };
}

function modelsOf({ all, missing }: Catalogue): ModelState[] {
  return [
    ...all.map(({ title, publisher }) => ({ model: title, publisher })),
    ...missing.map(({ name, version, publisher, why }) => ({
      model: `${name}@${version}`,
      ...(publisher !== undefined && { publisher }),
      why,
    })),
  ];
}
