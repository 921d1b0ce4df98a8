/** What has failed, in words, with what to do about it. */
import type { Failed } from '../messages.js';
import { waitText } from './figures.js';

/** What servers are called here. */
export const SERVER_NAMES = { party0: 'Server A', party1: 'Server B', dealer: 'Server C' } as const;

const NODES: readonly [string, string][] = [
  ['party 0', SERVER_NAMES.party0],
  ['party 1', SERVER_NAMES.party1],
  ['dealer', SERVER_NAMES.dealer],
];

export interface Explained {
  title: string;
  remedy: string;
}

const AGAIN = 'Try again; the page connects anew.';
const CONNECTION = 'Look at Connection below.';

/** By code: what happened, of the server that the message names, and what to do. */
const WORDS: Readonly<Record<string, (server: string) => Explained>> = {
  GRANT_REFUSED: () => ({
    title: 'The servers refuse your grant',
    remedy:
      'It may be over, made for another key, or for another model. Ask the publisher of the model for a new one for ' +
      'your key, and open it under Connection.',
  }),
  NOT_AUTHENTICATED: (server) => ({
    title: `${server} and this page do not know one another`,
    remedy: `Your key has to be the one of your grant, and the network file has to be up to date. ${CONNECTION}`,
  }),
  NOT_ALLOWED: () => ({
    title: 'The servers do not allow this question',
    remedy: 'Your grant is for something else. Ask the publisher of the model what it covers.',
  }),
  MODEL_UNKNOWN: () => ({
    title: 'The servers do not serve this model to you',
    remedy: `It may have another name, or was replaced or withdrawn. ${CONNECTION} Then try again.`,
  }),
  MODEL_DAMAGED: () => ({
    title: 'The servers have lost a part of this model',
    remedy: 'Its publisher has to publish it again; you can tell them.',
  }),
  QUOTA_SPENT: () => ({
    title: 'Your grant’s number of questions is used up',
    remedy: 'It fills up again with time. Or ask the publisher for a grant of more.',
  }),
  BUSY: () => ({ title: 'The servers are busy', remedy: 'Others are being answered.' }),
  TOO_MANY_CONNECTIONS: () => ({ title: 'The servers have no room at present', remedy: 'Others are being answered.' }),
  LIMIT_EXCEEDED: () => ({
    title: 'The question takes more than the servers give',
    remedy: 'Try a shorter text, or later.',
  }),
  UNREACHABLE: (server) => ({
    title: `${server} cannot be reached`,
    remedy:
      'It may be down, or this device offline. Your sentence stays secret. Try again in a moment; if it stays so, ' +
      'tell who runs that server.',
  }),
  LINK_CLOSED: (server) => ({
    title: `The connection to ${server} broke`,
    remedy: `Your sentence stays secret: what was sent is random without the rest. ${AGAIN}`,
  }),
  NO_PROGRESS: (server) => ({
    title: `${server} has not answered for long`,
    remedy: `The network may be very slow, or the server hangs. ${AGAIN}`,
  }),
  RUN_FAILED: () => ({
    title: 'The servers could not finish the answer',
    remedy: `One of them may have stopped on the way. Your sentence stays secret. ${AGAIN}`,
  }),
  GAVE_WAY: () => ({ title: 'Another question went first', remedy: AGAIN }),
  VERSION_MISMATCH: () => ({
    title: 'This page and the servers are of different releases',
    remedy: 'Reload the page. If it stays so, who hosts it has to build it from the servers’ release.',
  }),
  BAD_MESSAGE: (server) => ({
    title: `${server} said something that cannot be right`,
    remedy: 'So the page has stopped. Try again; if it stays so, do not use these servers, and tell the publisher.',
  }),
  CLIENT_PART_REFUSED: () => ({
    title: 'This model asks more of your device than is allowed',
    remedy: 'So the page has stopped. Tell its publisher.',
  }),
  RANGE_LEFT: () => ({
    title: 'The answer would have been wrong',
    remedy: 'Values left the range that the servers compute in. Try other words; the publisher may want to know.',
  }),
  BAD_MODEL_FILE: () => ({
    title: 'This page cannot ask this model',
    remedy: 'It takes no texts, or its tokenizer cannot be used. Choose another under Connection.',
  }),
  UNSUITABLE: () => ({
    title: 'This page has no way to show this model’s answers',
    remedy: 'It shows labels, and how similar two texts are. Choose another model under Connection.',
  }),
  BAD_CONFIGURATION: () => ({
    title: 'The connection’s data cannot be used',
    remedy: `The network file, the key, the grant or the model’s name is not as it should be. ${CONNECTION}`,
  }),
  NOTHING_TO_CONNECT: () => ({
    title: 'The page does not know whom to ask',
    remedy: 'Open your network file, key and grant under Connection.',
  }),
  STOPPED: () => ({ title: 'Stopped', remedy: 'You can ask again at any time.' }),
  PAGE_FAILED: () => ({
    title: 'A part of this page could not be loaded',
    remedy: 'Reload it. If it stays so, your browser may be too old, or the server of this page is set up wrongly.',
  }),
};
// What they say alike
const SAME: Readonly<Record<string, string>> = {
  BAD_FRAME: 'BAD_MESSAGE',
  TENSOR_LOST: 'LINK_CLOSED',
  BAD_PROGRAM: 'BAD_MESSAGE',
  MODEL_DISPOSED: 'LINK_CLOSED',
};

/** A failure for people. */
export function explained({ code, message, retryAfterMs }: Failed): Explained {
  const server = NODES.find(([name]) => message.startsWith(`${name}:`))?.[1] ?? 'A server';
  const words = WORDS[SAME[code] ?? code];
  const { title, remedy } = words?.(server) ?? {
    title: 'Something unexpected went wrong',
    remedy: `${AGAIN} If it stays so, reload the page.`,
  };
  if (retryAfterMs === undefined || code === 'UNREACHABLE') return { title, remedy };
  return { title, remedy: `${remedy} Try again in ${waitText(retryAfterMs)}.` };
}
