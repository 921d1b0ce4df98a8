/** TensorFlow.js with the backend, loaded when a command needs them. */

export type Tf = typeof import('@tensorflow/tfjs');
export type Backend = typeof import('@secformer/tfjs-mpc-backend');

/**
 * Loads both, and makes the backend the active one. TensorFlow.js suggests tfjs-node when it starts in Node; here that
 * would stand among the command's own lines.
 */
export async function loadTf(): Promise<{ tf: Tf; backend: Backend }> {
  const { warn } = console;
  console.warn = () => {};
  try {
    const tf = await import('@tensorflow/tfjs');
    const backend = await import('@secformer/tfjs-mpc-backend');
    await tf.setBackend('secformer');
    return { tf, backend };
  } finally {
    console.warn = warn;
  }
}
