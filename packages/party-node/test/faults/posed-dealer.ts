import { once } from 'node:events';
import { type WebSocket, WebSocketServer } from 'ws';
import { type HandshakeOptions, handshake } from '../../src/wire/handshake.js';
import type { Link } from '../../src/wire/link.js';
import { type Socket, SocketLink } from '../../src/wire/socket-link.js';
import type { NodeRole } from '../../src/wire/tokens.js';

/** How long the port of the dealer may be taken. */
const LISTEN_MS = 60_000;
/** How long a party may take to dial again: its longest pause between attempts, and a busy machine. */
const DIAL_MS = 8_000;

/** What somebody shows of himself. */
export type ProvingBy = Pick<HandshakeOptions, 'mine' | 'tokens' | 'key' | 'pins' | 'grant'>;

/** Listens in the dealer's place and with its key, so that the parties come to it. */
export class PosedDealer {
  readonly #server: WebSocketServer;
  readonly #links = new Map<NodeRole, Link>();

  private constructor(server: WebSocketServer, by: ProvingBy, process: string) {
    this.#server = server;
    server.on('connection', (web: WebSocket) => {
      web.on('error', () => {});
      const ready = ({ role, link }: { role: string; link: Link }) => {
        this.#links.set(role as NodeRole, link);
        link.onClose = () => this.#gone(link);
      };
      const link = new SocketLink(web as unknown as Socket);
      handshake(link, { ...by, process, side: 'accept', unboundNodes: true, ready }).catch(() => {});
    });
  }

  static async listen(url: string, by: ProvingBy, process: string): Promise<PosedDealer> {
    for (const end = performance.now() + LISTEN_MS; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
      const port = Number(new URL(url).port);
      const server = new WebSocketServer({ host: '127.0.0.1', port, perMessageDeflate: false });
      try {
        await once(server, 'listening');
        return new PosedDealer(server, by, process);
      } catch (error) {
        // A connection of another program may have the port while nobody listens there
        if ((error as { code?: string }).code !== 'EADDRINUSE' || performance.now() > end) throw error;
      }
    }
  }

  /** The link of a party, which may have to dial first; undefined where it does not come. */
  async link(role: NodeRole): Promise<Link | undefined> {
    for (const end = performance.now() + DIAL_MS; performance.now() < end; ) {
      const link = this.#links.get(role);
      if (link) return link;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return undefined;
  }

  /** To be told of a link that ended, by whoever has taken its `onClose`. */
  #gone(link: Link): void {
    for (const [role, there] of this.#links) if (there === link) this.#links.delete(role);
  }

  /** A link that was used; it stays for the next session unless it has ended. */
  give(link: Link, ended: boolean): void {
    if (ended) this.#gone(link);
    else link.onClose = () => this.#gone(link);
  }

  async stop(): Promise<void> {
    for (const web of this.#server.clients) web.terminate();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
