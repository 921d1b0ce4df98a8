// TensorFlow.js suggests tfjs-node on standard output when it starts in Node; standard output belongs to this program's
// records.
const warn = console.warn;
console.warn = () => {};
const tf: typeof import('@tensorflow/tfjs') = await import('@tensorflow/tfjs');
await import('@secformer/tfjs-mpc-backend');
console.warn = warn;

export { tf };
