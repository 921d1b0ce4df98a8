/** What may stand between a node and whoever it is connected with, in place of the connections themselves. */
import type { Link } from '../wire/link.js';

/**
 * What a module has to export that stands between, such as an emulated network. Both threads of a node load it: the one
 * that holds the connections and the one that computes.
 */
export interface Between {
  /** A link in place of one that whoever dials this node has opened; it delays, or does else, both ways. */
  accepted(link: Link): Link;
  /**
   * The same in place of a data connection, whichever end has dialled. Both ends have one, so it is for what comes in;
   * a frame is valid until `onFrame` has returned or resolved.
   */
  data(link: Link): Link;
}

/** @param module its address; undefined where nothing stands between */
export async function loadBetween(module: string | undefined): Promise<Between | undefined> {
  return module === undefined ? undefined : ((await import(module)) as Between);
}
