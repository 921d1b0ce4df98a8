/**
 * What a node's process is started with, by the command's first line too. V8's collector otherwise marks and moves on
 * helper threads of its own, beside the threads of kernels and links: where processors are few those wait for it. And
 * it looks through all that lives whenever that has grown by a few megabytes, twice for each run a dealer deals, unless
 * it is told how much may be there before it looks for the first time.
 */
export const processFlags = ['--single-threaded-gc', '--v8-pool-size=1', '--initial-old-space-size=128'] as const;
