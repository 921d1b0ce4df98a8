// Exit 0 where the node with this admin port is well: node healthy.js http://127.0.0.1:9464
const answer = await fetch(`${process.argv[2]}/healthz`, { signal: AbortSignal.timeout(5_000) }).catch(() => undefined);
process.exitCode = answer?.ok ? 0 : 1;
