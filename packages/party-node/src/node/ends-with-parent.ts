/**
 * Loaded before a node that is a process of this machine: it ends with the process that started it, however that ends.
 * A signal to that one alone, or its being killed, would else leave nodes behind that nobody knows of.
 */
import { isMainThread } from 'node:worker_threads';

if (isMainThread && process.connected) {
  process.once('disconnect', () => process.exit());
  // Who listens would else be kept from ending by itself
  process.channel?.unref();
}
