import { setPriority } from 'node:os';

/** The process that `inChild` starts: calls one function of one module, and says what came of it. */
// An attacker has machines of its own; here it must not have the nodes' processors
setPriority(10);
const [module, name] = process.argv.slice(2) as [string, string];
const { argument } = await new Promise<{ argument: unknown }>((resolve) => process.once('message', resolve));
const tell = (m: unknown) => new Promise<void>((resolve) => process.send!(m, () => resolve()));
try {
  const attack = (
    (await import(module)) as Record<string, (argument: unknown, note: (note: unknown) => void) => unknown>
  )[name]!;
  await tell({ result: await attack(argument, (note) => void tell({ note })) });
} catch (error) {
  await tell({ error: String((error as Error).stack ?? error) });
}
process.exit();
