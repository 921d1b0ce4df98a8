import { once } from 'node:events';
import { type AddressInfo, createConnection, createServer, type Server, type Socket } from 'node:net';
import { sleep, type Target } from '../attacks/kit.js';
import { Pipe } from './pipe.js';
import type { Direction, Script, Step } from './script.js';
import { nodeReaders, type Readers } from './units.js';

/** One connection through the proxy. */
interface Through {
  near: Socket;
  far: Socket;
  pipes: Record<Direction, Pipe>;
  readers: Readers;
  late: ReturnType<typeof setTimeout>[];
}

/**
 * A TCP proxy on loopback that knows the frames of a WebSocket, or the records of TLS where the target speaks that, and
 * does to them what a script says. Without a script it passes everything on.
 */
export class FaultProxy {
  readonly #server: Server;
  readonly #target: () => Target;
  readonly #open = new Set<Through>();
  #pending: Step[] = [];
  /** whether scripts are for data connections, and nothing happens to others */
  onlyData = false;
  /** lets no data connection through */
  refuseData = false;
  /** steps that have been carried out, in that order */
  readonly fired: Step[] = [];

  /** @param target where connections go to, asked for each */
  private constructor(target: () => Target) {
    this.#target = target;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => this.#arrived(near));
  }

  static async listen(target: () => Target): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#target().tls ? 'wss' : 'ws'}://127.0.0.1:${this.port}`;
  }

  /** data connections that are open now */
  get dataConnections(): number {
    return [...this.#open].filter(({ readers }) => readers.isData).length;
  }

  /** connections that are open now */
  get connections(): number {
    return this.#open.size;
  }

  /** Begins a script, for the connections that are open and those to come; each step happens once. */
  arm(script: Script): void {
    this.disarm();
    this.fired.length = 0;
    this.#pending = [...script];
    for (const through of this.#open) this.#begin(through);
  }

  /** Ends what the script did: what was held back is passed on, and nothing more goes wrong. */
  disarm(): void {
    this.#pending = [];
    for (const { pipes, late } of this.#open) {
      for (const timer of late.splice(0)) clearTimeout(timer);
      for (const pipe of Object.values(pipes)) pipe.heal();
    }
  }

  async close(): Promise<void> {
    this.disarm();
    for (const { near, far } of this.#open) {
      near.destroy();
      far.destroy();
    }
    this.#server.close();
    await once(this.#server, 'close').catch(() => {});
  }

  #arrived(near: Socket): void {
    const target = this.#target();
    const far = createConnection({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true });
    const readers = nodeReaders(target.tls ?? false);
    const cut = (reset: boolean) => {
      for (const socket of [near, far]) {
        // Of a socket that is being shut down already Node cannot make a reset, and would leave it open
        if (reset && !socket.writableEnded) socket.resetAndDestroy();
        else socket.destroy();
      }
    };
    const due = (direction: Direction) => (frames: number, bytes: number) => {
      if (readers.isData && this.refuseData) cut(false);
      return this.#due((s) => {
        if (this.onlyData && !readers.isData) return false;
        if (s.direction !== direction || 'ms' in s.after) return false;
        return 'frames' in s.after ? frames > s.after.frames : bytes > s.after.bytes;
      });
    };
    const through: Through = {
      near,
      far,
      pipes: {
        up: new Pipe(near, far, readers.up, due('up'), cut),
        down: new Pipe(far, near, readers.down, due('down'), cut),
      },
      readers,
      late: [],
    };
    this.#open.add(through);
    this.#begin(through);
    // What one end has lost the other loses, unless an end of one direction was all there was of it
    const gone = () => {
      for (const timer of through.late) clearTimeout(timer);
      this.#open.delete(through);
      for (const pipe of Object.values(through.pipes)) pipe.heal();
      void sleep(50).then(() => cut(false));
    };
    for (const socket of [near, far]) {
      socket.on('error', () => cut(true));
      socket.once('close', gone);
    }
  }

  #begin({ pipes, readers, late }: Through): void {
    for (const pipe of Object.values(pipes)) pipe.count();
    for (const step of this.#pending) {
      if (!('ms' in step.after) || (this.onlyData && !readers.isData)) continue;
      const act = () => {
        for (const { do: fault } of this.#due((s) => s === step)) void pipes[step.direction].apply(fault);
      };
      late.push(setTimeout(act, step.after.ms));
    }
  }

  /** Steps whose time has come; they are over then. */
  #due(come: (step: Step) => boolean): Step[] {
    const due = this.#pending.filter(come);
    if (due.length === 0) return due;
    this.#pending = this.#pending.filter((step) => !due.includes(step));
    this.fired.push(...due);
    return due;
  }
}
