/** What a test and the nodes that it ends have in common. */

/** Name of the channel by which a node's main thread tells the engine's thread when to end. */
export const CHANNEL = 'steps of an engine';
/** Environment variable that names the file to which an engine writes what it has begun. */
export const RECORD = 'RECORD_FILE';

/** When to end the process: before or after the step of this kind that follows `count` others. */
export interface DeathAt {
  /** a step's name or its first word, such as 'fs' or 'send result' */
  step: string;
  count: number;
  after: boolean;
}
