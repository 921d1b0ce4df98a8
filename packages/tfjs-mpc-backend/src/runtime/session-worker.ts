/**
 * The thread that holds the session, so that dataSync can wait for it. It imports next to nothing before it can say
 * that it lives: what fails later, the loading of modules included, is told to a thread that waits and hears no events.
 */
import { type MessagePort, workerData } from 'node:worker_threads';
import type { FromSession } from './messages.js';
import { Pulse } from './pulse.js';

/** What the thread is started with. */
export interface SessionWorkerData {
  port: MessagePort;
  pulse: Int32Array<SharedArrayBuffer>;
}

const { port, pulse: words } = workerData as SessionWorkerData;
const pulse = new Pulse(words);
pulse.start();
process.on('uncaughtExceptionMonitor', (error) => {
  const message: FromSession = { failed: error.message };
  port.postMessage(message);
});
process.on('exit', () => pulse.end());

const { serveSession } = await import('./serve-session.js');
serveSession(port);
