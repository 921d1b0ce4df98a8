/** What the backend asks of the nodes' clients for published models. */
import type * as party from '@secformer/party-node';

export type {
  Manifest,
  OnProgress,
  Published,
  PublishProgram,
  PublishSlot,
  RunProgress,
  TensorSpec,
} from '@secformer/party-node';

/** How far a publication is. */
export interface PublishProgress {
  phase: 'tracing' | 'connecting' | 'sharing' | party.PublishProgress['phase'];
  done: number;
  of: number;
}

/** What the nodes answer. */
export type Answered = party.RunResult;

/** A connection of a client that holds a grant. */
export type Asking = Pick<party.Asking, 'manifest' | 'asset' | 'ask' | 'close' | 'dead'>;

/** A publisher's session. */
export type PublishingSession = Pick<party.Session, 'formsToPublish' | 'write' | 'writePublic' | 'publish' | 'close'> &
  Partial<Pick<party.Session, 'roundTripMs'>>;
