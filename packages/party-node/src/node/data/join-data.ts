import { bytesToHex } from '@noble/hashes/utils.js';
import { type Arena, frameChannel } from '@secformer/ring';
import type { Traffic } from '../../operation/counted-link.js';
import { MessageLink } from '../../wire/framing.js';
import { nodeName } from '../../wire/handshake.js';
import type { Message, MessageOf } from '../../wire/messages.js';
import type { Between } from '../between.js';
import type { Peer } from '../peers.js';
import type { DataConnection } from './data-connections.js';
import { DataLink } from './data-link.js';
import { dataId } from './preamble.js';

/** What goes through a data connection; everything else takes the WebSocket. */
type Data = MessageOf<'round'> | MessageOf<'material'> | MessageOf<'confirm'>;

export interface DataTaker {
  arena: Arena;
  traffic: Traffic;
  /** largest payload that is taken now */
  accept: (m: MessageOf<'round'> | MessageOf<'material'>) => number;
  take: (m: Data, payload: Uint8Array) => void | Promise<void>;
  /** stands between this node and others */
  between: Between | undefined;
  /** the other end has the keys */
  opened: () => void;
}

/** Connections of one link that have shown no keys yet: a true one, and one that somebody has copied. */
const UNPROVEN = 2;
const unproven = new WeakMap<Peer, number>();

/**
 * Gives a peer its data connection, once the other end has shown that it has the keys. Where that is lost later, the
 * link goes too: what was on its way is not known.
 * @param peer whose it may be, if it is still connected
 */
export function joinData(c: DataConnection, peer: Peer | undefined, taker: DataTaker): void {
  const channel = frameChannel()!;
  const waiting = (peer && unproven.get(peer)) ?? 0;
  if (!peer || peer.data || waiting >= UNPROVEN || bytesToHex(dataId(peer.seed)) !== c.id) {
    channel.closeDescriptor(c.descriptor);
    return;
  }
  unproven.set(peer, waiting + 1);
  const { side, nonce } = c;
  const { traffic } = taker;
  const raw = new DataLink(c.descriptor, { channel, seed: peer.seed, side, nonce, traffic, ready });
  let isProven = false;
  raw.onClose = over;

  function over(): void {
    if (!isProven) unproven.set(peer!, unproven.get(peer!)! - 1);
    isProven = true;
  }

  function ready(): void {
    over();
    if (peer!.data) {
      raw.close('this link has a data connection');
      return;
    }
    const link = new MessageLink(taker.between?.data(raw) ?? raw, () => nodeName[peer!.role]);
    link.accept = (m) => {
      if (m.t === 'confirm') return 0;
      if (m.t === 'round' || m.t === 'material') return taker.accept(m);
      throw new Error(`'${m.t}' does not go through a data connection`);
    };
    link.room = (_, bytes) => taker.arena.borrow(bytes);
    link.dropped = (payload) => taker.arena.release([payload]);
    link.onMessage = (m: Message, payload) => taker.take(m as Data, payload);
    link.onClose = (why) => {
      peer!.data = undefined;
      peer!.link.close(`the data connection was lost: ${why}`);
    };
    peer!.data = link;
    taker.opened();
  }
}
