/** Who is at the other end of a link, as what it has proved: what a node lets it do follows from this alone. */
import type { NodeRole } from './tokens.js';

/** What a publisher may take of a node, from the operator's access file. */
export interface PublisherLimits {
  /** published models, versions counted each */
  models: number;
  /** bytes of a node's memory that they take together */
  bytes: number;
  /** runs of its models that are under way or wait, whoever asked */
  runs: number;
}

/** What a publisher has allowed a client: the checked content of its grant. */
export interface Grant {
  /** the publisher's name in the access file */
  publisher: string;
  /** whom it was given to, in the publisher's words: fair turns and quotas go by this */
  subject: string;
  /** the grant's own number, by which an operator or publisher can deny it */
  id: string;
  model: string;
  /** versions that may be asked; undefined for all */
  versions: readonly string[] | undefined;
  /** outputs that may be read, by name; undefined for all */
  outputs: readonly string[] | undefined;
  /** seconds since 1970 after which it is over */
  expires: number;
  /** runs in so many seconds */
  quota: { runs: number; seconds: number } | undefined;
}

export type Principal =
  | { kind: 'node'; role: NodeRole }
  /** holds the clients' token: own tensors and own programs */
  | { kind: 'owner' }
  /** holds this key (hex), which the access file has under that name: an owner who may publish */
  | { kind: 'publisher'; name: string; key: string; limits: PublisherLimits }
  /** holds the key that a grant names: may ask a published model within what its publisher may, and nothing else */
  | { kind: 'asker'; grant: Grant; limits: PublisherLimits };
