/** What each of the three servers has received from this page. */
import { type Plain, ROLES, type Role, type Sent } from '../messages.js';
import { byId, made } from './elements.js';
import { bytesText } from './figures.js';
import { alike, hexBlock } from './hex.js';
import { hostOf } from './settings.js';
import { SERVER_NAMES } from './words.js';

/** Bytes of a message that are shown; more are compared. */
const SHOWN = 64;
/** Token ids that are shown of a text. */
const IDS = 64;
/** Questions whose bytes are kept, to be compared when they are asked again. */
const REMEMBERED = 20;

const ROLE_NAMES: Readonly<Record<Role, string>> = {
  party0: 'computes on shares',
  party1: 'computes on shares',
  dealer: 'deals randomness',
};

/** A question's data by server and message, such as 'run 0'. */
type Remembered = Map<Role, Map<string, Uint8Array>>;

export class ServersView {
  readonly #box = byId('servers', HTMLDivElement);
  readonly #button = byId('plain', HTMLButtonElement);
  #network: unknown;
  /** number of the question; 0 before the first */
  #question = 0;
  #texts: readonly string[] = [];
  #plain: Plain[] = [];
  readonly #sent = new Map<Role, Map<string, Sent>>(ROLES.map((role) => [role, new Map()]));
  readonly #remembered = new Map<string, Remembered>();
  #before: Remembered | undefined;
  /** cards that are drawn with the next frame */
  readonly #stale = new Set<Role>();
  readonly #cards = new Map<Role, HTMLElement>();

  constructor() {
    this.#button.addEventListener('click', () => {
      this.#button.setAttribute('aria-pressed', String(!this.#shows));
      this.#soon();
    });
    this.#box.append(...ROLES.map((role) => this.#drawn(role)));
    this.#soon();
  }

  get #shows(): boolean {
    return this.#button.getAttribute('aria-pressed') === 'true';
  }

  /** Which servers they are. */
  connected(network: unknown): void {
    this.#network = network;
    this.#soon();
  }

  /** A question begins. @returns its number */
  begin(texts: readonly string[]): number {
    this.#remember();
    this.#question++;
    this.#texts = texts;
    this.#plain = [];
    this.#before = this.#remembered.get(JSON.stringify(texts));
    for (const messages of this.#sent.values()) messages.clear();
    this.#soon();
    return this.#question;
  }

  sent(message: Sent): void {
    // What an earlier question still sends is not this one's
    if (message.question !== this.#question) return;
    this.#sent.get(message.server)!.set(message.key, message);
    this.#soon(message.server);
  }

  plain(inputs: Plain): void {
    this.#plain.push(inputs);
    this.#soon();
  }

  /** Bytes that have left for this question. */
  get bytes(): number {
    return [...this.#sent.values()].reduce((n, messages) => n + bytesOf(messages.values()), 0);
  }

  #remember(): void {
    if (this.#texts.length === 0) return;
    const all: Remembered = new Map(
      ROLES.map((role) => [role, new Map(this.#data(role).map((d) => [d.place, d.data]))]),
    );
    if ([...all.values()].every((data) => data.size === 0)) return;
    this.#remembered.set(JSON.stringify(this.#texts), all);
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > REMEMBERED) this.#remembered.delete(oldest!);
  }

  /** Messages with data, each with its place among those of its name. */
  #data(role: Role): (Sent & { place: string })[] {
    const counts = new Map<string, number>();
    return [...this.#sent.get(role)!.values()]
      .filter((m) => m.dataBytes > 0)
      .map((m) => {
        const n = counts.get(m.name) ?? 0;
        counts.set(m.name, n + 1);
        return { ...m, place: `${m.name} ${n}` };
      });
  }

  /** Draws once for all that comes until the next frame. */
  #soon(...roles: Role[]): void {
    const first = this.#stale.size === 0;
    for (const role of roles.length > 0 ? roles : ROLES) this.#stale.add(role);
    if (!first) return;
    requestAnimationFrame(() => {
      this.#button.disabled = this.#plain.length === 0 && !this.#shows;
      for (const role of this.#stale) {
        const before = this.#cards.get(role)!;
        const focused = before.contains(document.activeElement);
        const card = this.#drawn(role);
        before.replaceWith(card);
        if (focused) card.querySelector('summary')?.focus();
      }
      this.#stale.clear();
    });
  }

  #drawn(role: Role): HTMLElement {
    const open = this.#cards.get(role)?.querySelector('details')?.open ?? false;
    const card = this.#card(role, open);
    this.#cards.set(role, card);
    return card;
  }

  #card(role: Role, open: boolean): HTMLElement {
    const messages = [...this.#sent.get(role)!.values()];
    const title = made('h3', '', SERVER_NAMES[role]);
    title.id = `${role}-title`;
    const host = hostOf(this.#network, role);
    const about = made('p', 'note', [ROLE_NAMES[role], host].filter(Boolean).join(' · '));
    const unit = messages.length === 1 ? 'message' : 'messages';
    const count = `${bytesText(bytesOf(messages))} in ${messages.length} ${unit}`;
    const card = made('article', 'card server', made('div', 'title', title, made('p', 'count', count)), about);
    card.id = role;
    card.setAttribute('aria-labelledby', title.id);
    card.append(...(this.#shows ? this.#unshared() : this.#shared(role, messages.length > 0)));
    if (messages.length > 0) card.append(clear(messages, open));
    return card;
  }

  #shared(role: Role, some: boolean): HTMLElement[] {
    const data = this.#data(role);
    if (data.length === 0 && this.#texts.length > 0 && some)
      return [made('p', 'nothing', 'Nothing of your sentence, not even masked. It is told which program runs.')];
    const before = this.#before?.get(role);
    return data.map((message) => {
      const what = made('p', 'what', whatOf(message), ' ', made('span', 'size', bytesText(message.dataBytes)));
      const box = made('div', 'data', what, hexBlock(message.data, SHOWN, message.dataBytes));
      const earlier = before?.get(message.place);
      if (earlier) box.append(...compared(message, earlier));
      return box;
    });
  }

  #unshared(): HTMLElement[] {
    if (this.#plain.length === 0) return [made('p', 'nothing', 'Ask something first.')];
    return this.#plain.map(({ ids, mask }) => {
      const bytes = new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength);
      const read = made('p', 'read', 'Looked up in the model’s public vocabulary: ');
      read.append(...this.#texts.map((text) => made('q', '', made('bdi', '', text))));
      return made(
        'div',
        'data open',
        made('p', 'what', 'Without sharing it would have received your token ids'),
        hexBlock(bytes, SHOWN, bytes.length),
        made('p', 'ids', `Token ids ${listed(ids)}`),
        made('p', 'ids', `Mask ${listed(mask)}`),
        read,
      );
    });
  }
}

function bytesOf(messages: Iterable<Sent>): number {
  let bytes = 0;
  for (const m of messages) bytes += m.bytes;
  return bytes;
}

function listed(values: Int32Array): string {
  return `${[...values.subarray(0, IDS)].join(' ')}${values.length > IDS ? ' …' : ''}`;
}

/** What the data of a message is. */
function whatOf({ name, server }: Sent): string {
  if (name === 'run') return 'Your words under a random mask, of which it knows half';
  return server === 'party0'
    ? 'Its share of your sentence’s outline: a random seed'
    : 'Its share of your sentence’s outline: what is left without that seed';
}

/** What left the last time that the same was asked. */
function compared({ data, dataBytes }: Sent, earlier: Uint8Array): HTMLElement[] {
  const { same, of } = alike(data, earlier);
  return [
    made('p', 'what', 'When you asked the same before'),
    hexBlock(earlier, SHOWN, dataBytes, data),
    made('p', 'note', `${same} of the first ${of.toLocaleString('en')} bytes are alike; chance alone gives 1 in 256.`),
  ];
}

/** What the server reads of the messages as they are. */
function clear(messages: readonly Sent[], open: boolean): HTMLElement {
  const details = made('details', '', made('summary', '', 'What it reads in the clear'));
  details.open = open;
  const list = made('ul', 'headers');
  for (const { header } of messages) list.append(made('li', '', header));
  details.append(list);
  return details;
}
