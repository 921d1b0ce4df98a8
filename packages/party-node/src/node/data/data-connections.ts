import { Socket } from 'node:net';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { FrameChannel, Secret } from '@secformer/ring';
import { limits } from '../../limits.js';
import { nodeName, type Proven } from '../../wire/handshake.js';
import type { NodeRole } from '../../wire/tokens.js';
import type { Log } from '../log.js';
import { takeDescriptor } from './descriptors.js';
import { type DataSide, dataId, preambleOf, readPreamble } from './preamble.js';

/** A connection that belongs to a proven link, for the engine's thread, which proves it. */
export interface DataConnection {
  role: NodeRole;
  /** of the link, in hex */
  id: string;
  side: DataSide;
  /** of the side that dialled */
  nonce: Uint8Array;
  descriptor: number;
}

export interface DataConnectionsOptions {
  role: NodeRole;
  dialled: readonly NodeRole[];
  urlOf: (role: NodeRole) => string;
  /** hands a connection to the engine's thread, which closes it */
  give: (connection: DataConnection) => void;
  log: Log;
}

/** Rounds and corrections go between these; P0 has its part of the dealer's randomness from a seed. */
const PAIRS: readonly (readonly [NodeRole, NodeRole])[] = [
  ['party0', 'party1'],
  ['dealer', 'party1'],
];

/** A node that dials tries so often: what stands between may know WebSockets alone, and then they do. */
const TRIES = 3;

/**
 * Opens data connections beside proven WebSockets: to the same address, by the node that dialled, and one for each
 * link. Who hears a preamble may say it again and is given to the engine, which finds that it has no keys.
 */
export class DataConnections {
  readonly #o: DataConnectionsOptions;
  readonly #channel: FrameChannel | undefined;
  /** proven links that may have a connection, by id, and whether they have it */
  readonly #links = new Map<string, { role: NodeRole; isOpen: boolean }>();
  readonly #dialling = new Set<Socket>();
  #stopped = false;

  /** @param channel absent where this platform has none, or there are to be WebSockets alone */
  constructor(options: DataConnectionsOptions, channel: FrameChannel | undefined) {
    this.#o = options;
    this.#channel = channel;
  }

  /** A link to a node has been proven. @returns what to call when it is closed */
  met({ role, seed }: Proven): () => void {
    const mine = this.#o.role;
    if (!this.#channel || role === 'client' || !PAIRS.some((pair) => pair.includes(mine) && pair.includes(role)))
      return () => {};
    const id = bytesToHex(dataId(seed));
    this.#links.set(id, { role, isOpen: false });
    if (this.#o.dialled.includes(role)) void this.#dialAgain(role, id, seed);
    return () => {
      this.#links.delete(id);
    };
  }

  /**
   * Takes a connection that began as one for data.
   * One that belongs to no link that the other end dialled is closed.
   * @param bytes all that has been read of it
   */
  accept(socket: Socket, bytes: Uint8Array): void {
    const said = readPreamble(bytes);
    const id = said ? bytesToHex(said.id) : '';
    const role = this.#links.get(id)?.role;
    if (said && role && !this.#o.dialled.includes(role))
      this.#hand(socket, { role, id, side: 'accept', nonce: said.nonce });
    else socket.destroy();
  }

  stop(): void {
    this.#stopped = true;
    for (const socket of this.#dialling) socket.destroy();
  }

  /** Until the link has a data connection or is closed, or it has been tried often enough. */
  async #dialAgain(role: NodeRole, id: string, seed: Secret): Promise<void> {
    for (let n = 0; n < TRIES; n++) {
      // The engine shows keys, or lets it be, within this time
      if (n > 0) await new Promise((resolve) => setTimeout(resolve, n * limits.handshakeMs).unref());
      if (this.#stopped || this.#links.get(id)?.isOpen !== false) return;
      try {
        await this.#dial(role, id, seed);
      } catch (error) {
        this.#o.log('data', { node: nodeName[role], open: false, why: (error as Error).message });
      }
    }
  }

  async #dial(role: NodeRole, id: string, seed: Secret): Promise<void> {
    const { hostname, port, protocol } = new URL(this.#o.urlOf(role));
    const { bytes, nonce } = preambleOf(seed);
    const socket = new Socket();
    this.#dialling.add(socket);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.setTimeout(limits.connectMs, () => reject(new Error('no connection in time')));
        socket.on('error', reject);
        socket.on('close', () => reject(new Error('the connection was closed')));
        // Nothing is read here: what the other end says belongs to the thread that gets the connection
        socket.pause();
        const host = hostname.replace(/^\[|\]$/g, '');
        socket.connect(Number(port) || (protocol === 'wss:' ? 443 : 80), host, () =>
          socket.write(bytes, () => resolve()),
        );
      });
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      this.#dialling.delete(socket);
    }
    this.#hand(socket, { role, id, side: 'dial', nonce });
  }

  /** The engine has proved a connection. */
  opened({ role, id }: DataConnection): void {
    const link = this.#links.get(id);
    if (link) link.isOpen = true;
    this.#o.log('data', { node: nodeName[role], open: true });
  }

  #hand(socket: Socket, about: Omit<DataConnection, 'descriptor'>): void {
    const descriptor = takeDescriptor(socket, this.#channel!);
    if (descriptor !== undefined) this.#o.give({ ...about, descriptor });
  }
}
