/** What goes wrong with a connection, and when: made from a seed, so that a trial can be made again. */
import { randomFrom } from '../attacks/kit.js';

/** 'up' is from the end that dialled. */
export type Direction = 'up' | 'down';

export type Fault =
  /** everything after it comes so much later */
  | { kind: 'delay'; ms: number }
  | { kind: 'throttle'; bytesPerSecond: number }
  /** nothing passes any more, for so long; `pings` of the WebSocket still do */
  | { kind: 'stall'; ms: number; pings: boolean }
  /** both ends see the connection end: by RST or by FIN, without the closing handshake of a WebSocket */
  | { kind: 'cut'; reset: boolean }
  /** this direction ends, the other goes on */
  | { kind: 'halfClose' }
  | { kind: 'drop' }
  | { kind: 'repeat' }
  /** changes places with the next frame */
  | { kind: 'reorder' }
  /** `at` from 0 to 1 is the place in the frame, its head included */
  | { kind: 'flip'; at: number; bit: number }
  /** the next frames are sent in pieces of so many bytes, a TCP segment each */
  | { kind: 'split'; bytes: number; frames: number }
  /** so many frames are sent at once */
  | { kind: 'join'; frames: number };

export type FaultKind = Fault['kind'];

export interface Step {
  /** counted in this direction from the start of the script, or of the connection if that is later */
  after: { frames: number } | { bytes: number } | { ms: number };
  direction: Direction;
  do: Fault;
}

export type Script = readonly Step[];

/** What TCP may do to a connection by itself: nothing of it changes what arrives. */
export const CARRIED: readonly FaultKind[] = ['delay', 'throttle', 'stall', 'cut', 'halfClose', 'split', 'join'];
/** What takes somebody on the way, who changes what arrives; TLS notices each of them. */
export const CHANGED: readonly FaultKind[] = ['drop', 'repeat', 'reorder', 'flip'];

/** A stall that does not end by itself. */
export const FOR_EVER = 3_600_000;

/** @param pings whether a stall lets the pings of a WebSocket pass; without TLS only */
function faultOf(kind: FaultKind, random: (n: number) => number, pings: boolean): Fault {
  switch (kind) {
    case 'delay':
      return { kind, ms: 1 + random(60) };
    case 'throttle':
      return { kind, bytesPerSecond: 20_000 * (1 + random(50)) };
    case 'stall':
      return { kind, ms: random(4) === 0 ? FOR_EVER : 50 + random(1_500), pings: pings && random(2) === 0 };
    case 'cut':
      return { kind, reset: random(2) === 0 };
    case 'flip':
      return { kind, at: random(1_000) / 1_000, bit: random(8) };
    case 'split':
      return { kind, bytes: 1 + random(40), frames: 1 + random(10) };
    case 'join':
      return { kind, frames: 2 + random(6) };
    default:
      return { kind };
  }
}

/**
 * One to three steps, the same for the same seed.
 * @param kinds of faults to choose from
 * @param pings whether stalls are possible that let the pings of a WebSocket pass
 */
export function scriptFrom(seed: number, kinds: readonly FaultKind[], pings = false): Script {
  const random = randomFrom(seed);
  return Array.from({ length: 1 + random(3) }, (): Step => {
    const after = [{ frames: random(40) }, { bytes: random(60_000) }, { ms: random(400) }][random(3)]!;
    const direction = random(2) === 0 ? 'up' : 'down';
    return { after, direction, do: faultOf(kinds[random(kinds.length)]!, random, pings) };
  });
}

/** A script in a line, for a failure's message. */
export function show(script: Script): string {
  const list = (o: object) =>
    Object.entries(o)
      .filter(([name]) => name !== 'kind')
      .map(([name, value]) => `${name} ${value === FOR_EVER ? 'for ever' : value}`)
      .join(', ');
  return script
    .map((s) => `${s.direction} after ${list(s.after)}: ${s.do.kind}${list(s.do) && ` (${list(s.do)})`}`)
    .join('; ');
}
