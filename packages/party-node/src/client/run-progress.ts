/** How far a run is, as its client hears. */

/** Phases in their order; a run without inputs of its own is not shared, and one that finds a turn does not wait. */
const PHASES = ['connecting', 'sharing', 'waiting', 'running', 'done'] as const;

/** How far a run is. */
export interface RunProgress {
  phase: (typeof PHASES)[number];
  /** of 'waiting': how many runs come first, and this one */
  place?: number;
  /** of 'sharing' bytes, of 'running' and 'done' rounds: those that are over, and how many there are */
  done?: number;
  of?: number;
}

/** Hears how far a run is. */
export type OnProgress = (event: RunProgress) => void;

/**
 * Passes on what says that a run is further than before: what is tried again goes through its phases twice, and nobody
 * wants to see a bar fall.
 */
export function rising(hear: OnProgress): OnProgress {
  let [phase, done] = [0, 0];
  return (event) => {
    const now = PHASES.indexOf(event.phase);
    if (now < phase || (now === phase && (event.done ?? 0) < done)) return;
    [phase, done] = [now, event.done ?? 0];
    hear(event);
  };
}
