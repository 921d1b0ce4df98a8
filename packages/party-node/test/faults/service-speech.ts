/** What clients of a service say, recorded at the nodes that it will be said to again, and what nodes say of models. */
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Secret } from '@secformer/ring';
import type { Credentials } from '../../src/client/credentials.js';
import { Asking, type Dial, type Manifest, Session } from '../../src/index.js';
import { WIRE_VERSION } from '../../src/limits.js';
import { signManifest } from '../../src/wire/manifest.js';
import type { Listed, Message } from '../../src/wire/messages.js';
import { randomBytesFrom, sleep } from '../attacks/kit.js';
import { HEAD, headerOf, type Random } from '../attacks/mutations.js';
import { askSmall, ROWS, requestOf, table, WIDTH, weights } from '../publishing.js';
import { changedJson } from './changes.js';
import { type Conversation, recorded, type Said } from './conversation.js';

/** The model that is asked, and what a node says of it to the others. */
export interface Served {
  listed: Listed;
  programs: string[];
}

/** Makes a session's own models of one that was recorded. */
export interface Republished {
  key: Secret;
  /** one in so many manifests has something else in it; none if 0 */
  changedIn: number;
}

/** A whole message in one frame. */
export function frameOf(header: Message, payload: Uint8Array = new Uint8Array(0), id = 0): Buffer {
  const json = Buffer.from(JSON.stringify(header));
  const head = Buffer.alloc(HEAD);
  head[0] = WIRE_VERSION;
  head.writeUInt16LE(json.length, 2);
  head.writeUInt32LE(id, 4);
  head.writeDoubleLE(payload.length, 8);
  return Buffer.concat([head, json, payload]);
}

export async function publishVersion(
  dial: Dial,
  who: Credentials & { key: Secret },
  version: string,
  then?: (s: Session) => Promise<void>,
) {
  const session = await Session.connect(dial, who);
  try {
    await session.write(1, table, [ROWS, WIDTH]);
    await session.write(2, weights, [WIDTH, 3]);
    const { generation, programs } = await session.publish({ ...requestOf(version, [4]), key: who.key });
    await then?.(session);
    return { generation, programs: programs.map((p) => p.hash) };
  } finally {
    session.close();
  }
}

/** Everything that a client with a grant says, and everything that a publisher does. */
export async function recordClients(
  conversation: Conversation,
  dials: Record<'asker' | 'publisher', Dial>,
  asker: Credentials,
  publisher: Credentials & { key: Secret },
): Promise<void> {
  const asking = await Asking.connect(recorded(dials.asker, conversation.asker), asker);
  await asking.models();
  await asking.asset(await asking.manifest('small'), 'labels.json');
  await askSmall(asking, 4, 'base');
  await askSmall(asking, 4, 'base');
  asking.close();
  await publishVersion(recorded(dials.publisher, conversation.publisher), publisher, 'recorded', async (session) => {
    await session.unpublish('small', 'recorded');
    await sleep(100);
  });
}

/** The model of a client's session that is asked for, or published. */
export function modelIn(speech: Conversation['publisher']): string | undefined {
  const commit = speech.party0?.find(({ frame }) => headerOf(frame)?.t === 'commit');
  return commit && String(headerOf(commit.frame)!.generation);
}

/** A publisher's frame in which the model is the session's own: of another sharing, and signed again. */
export function republished(
  frame: Buffer,
  names: ReadonlyMap<string, string>,
  random: Random,
  { key, changedIn }: Republished,
): Buffer {
  const header = headerOf(frame);
  if (header?.t !== 'stage') return frame;
  const staged = JSON.parse(frame.subarray(HEAD + frame.readUInt16LE(2)).toString()) as { text: string };
  const manifest = JSON.parse(staged.text) as Manifest;
  manifest.generation = names.get(manifest.generation) ?? manifest.generation;
  manifest.version = names.get(manifest.version) ?? manifest.version;
  let said: unknown = manifest;
  if (changedIn > 0 && random(changedIn) === 0)
    said = JSON.parse(new TextDecoder().decode(changedJson(Buffer.from(JSON.stringify(manifest)), random)));
  const payload = Buffer.from(JSON.stringify({ ...staged, ...signManifest(said as Manifest, key) }));
  return frameOf(header as Message, payload, frame.readUInt32LE(4));
}

/** What a node says of models that it has, and of runs that are prepared for whoever asks. */
export function nodeSpeech({ listed, programs }: Served, names: readonly string[], random: Random): Said[] {
  const { name, version, generation } = listed;
  const model = { name, version, generation };
  const fake: Listed = { ...listed, version: 'other', generation: bytesToHex(randomBytesFrom(random, 16)) };
  const lists = [
    [listed],
    [],
    [{ ...listed, state: 'staged' }, fake],
    [{ ...listed, hash: '00'.repeat(32) }],
    [listed],
  ];
  const [ticket, second] = [randomBytesFrom(random, 16).toString('hex'), names[random(names.length)] ?? generation];
  const program = programs[0]!;
  const frames = [
    ...lists.map((list) => frameOf({ t: 'have' }, Buffer.from(JSON.stringify(list)))),
    frameOf({ t: 'pool', ticket, program, model }),
    frameOf({ t: 'ready', ticket }),
    frameOf({ t: 'pool', ticket: second, program, model }),
    frameOf({ t: 'ready', ticket: second }),
    frameOf({ t: 'turn', ticket }),
    frameOf({ t: 'computed', ticket }),
    frameOf({ t: 'computed', ticket: second }),
    frameOf({ t: 'abort', ticket, error: { node: 'dealer', code: 'GAVE_WAY', message: 'dealer: enough' } }),
  ];
  return frames.map((frame) => ({ frame, after: 0 }));
}
