/** What a client sends, and calls that it gives up. */
import { getEventListeners } from 'node:events';
import type { ExecutionContext } from 'ava';
import type { PortLink } from '../src/index.js';
import { NODES, type NodeRole } from '../src/wire/tokens.js';
import { type Engines, messageOf, until } from './engines.js';

export const REASON = new Error('nobody waits for it');

export const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

/** A dial, and the messages that leave through its links. */
export function heard(dial: (role: NodeRole) => Promise<PortLink>) {
  const sent: { to: NodeRole; t: string; ticket?: string }[] = [];
  const links: PortLink[] = [];
  return {
    sent,
    links,
    dial: async (to: NodeRole) => {
      const link = await dial(to);
      links.push(link);
      const send = link.send.bind(link);
      link.send = (frame) => {
        const m = messageOf(frame) as { t?: string; ticket?: string };
        if (m.t) sent.push({ ...m, to, t: m.t });
        return send(frame);
      };
      return link;
    },
    /** Runs that were started twice, which would show two inputs under one mask. */
    twice() {
      const starts = sent.filter(({ t }) => t === 'run').map(({ to, ticket }) => `${to} ${ticket}`);
      return starts.filter((s, i) => starts.indexOf(s) !== i);
    },
  };
}

/** Nothing of clients' runs is left at the nodes, and as much memory as there was. */
export async function nothingLeft(t: ExecutionContext, e: Engines, memory: number[]): Promise<void> {
  const runs = () => NODES.map((role) => [...e[role].runs.values()].filter((run) => !run.isFree).length);
  t.true(await until(() => runs().every((n) => n === 0)), `runs: ${runs()}`);
  t.true(await until(() => memoryOf(e).join() === memory.join()), `${memoryOf(e)} of ${memory}`);
}

export const memoryOf = (e: Engines) => NODES.map((role) => e[role].budget.left);
