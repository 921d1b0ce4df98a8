/** TensorFlow.js with the backend, loaded when a command needs them. */

export type Tf = typeof import('@tensorflow/tfjs');
export type Backend = typeof import('@secformer/tfjs-mpc-backend');

/**
 * Loads both, and makes the backend the active one. TensorFlow.js warns, among the command's own lines, that there is
 * a faster package for Node: in its production mode it does not.
 */
export async function loadTf(): Promise<{ tf: Tf; backend: Backend }> {
  const tf = await import('@tensorflow/tfjs');
  tf.enableProdMode();
  const backend = await import('@secformer/tfjs-mpc-backend');
  await tf.setBackend('secformer');
  return { tf, backend };
}
