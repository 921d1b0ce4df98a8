/** Builds the page into files that any server of static files can serve, from any path. */
export default {
  root: import.meta.dirname,
  base: './',
  publicDir: false,
  build: {
    outDir: 'dist/page',
    emptyOutDir: true,
    target: 'es2022',
    // Nothing inline: the page's policy forbids it
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // One worker with TensorFlow.js in it; the test of its compressed size is the limit
    chunkSizeWarningLimit: 4096,
    // How long plugins take says more of the machine than of the page
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  worker: { format: 'es' },
};
