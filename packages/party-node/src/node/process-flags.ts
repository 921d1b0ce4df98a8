/**
 * What a node's process is started with, by the command's first line too. V8's collector otherwise marks and moves on
 * helper threads of its own, beside the threads of kernels and links: where processors are few those wait for it.
 */
export const processFlags = ['--single-threaded-gc', '--v8-pool-size=1'] as const;
