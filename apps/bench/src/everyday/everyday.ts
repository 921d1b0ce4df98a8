import { existsSync } from 'node:fs';
import { tf } from '../quiet-tfjs.js';
import { end, report, Steps, UsageError } from '../report.js';
import { everydayPrograms } from './programs.js';
import { judge, type Outcome, runProgram, type Verdict } from './run.js';

export interface EverydayFlags {
  only?: string;
  repeat?: number;
  models?: string;
  json?: string;
}

const MESSAGE = 160;

/** A verdict as one line. */
function line(v: Verdict): string {
  const mark = v.expected ? '' : v.outcome === 'refused' ? ' (without a reason)' : '';
  if (v.outcome === 'right') return `right    ${v.name}  ${v.maxError!.toExponential(1)}`;
  if (v.outcome === 'wrong')
    return `wrong    ${v.name}  off by ${v.maxError!.toPrecision(3)}: ${v.got} for ${v.wanted}`;
  return `${v.outcome.padEnd(8)} ${v.name}  ${v.code}${mark}: ${v.message!.replaceAll(/\s+/g, ' ').slice(0, MESSAGE)}`;
}

/**
 * Every program on 'cpu' and on 'secformer'; exit 1 where one is wrong, or refused without a reason in the documents.
 */
export async function everyday(f: EverydayFlags): Promise<void> {
  if (f.models !== undefined && !existsSync(f.models))
    throw new UsageError(`--models ${f.models}: there is no such folder`);
  const all = everydayPrograms(f.models).filter((p) => f.only === undefined || new RegExp(f.only).test(p.name));
  if (all.length === 0) throw new UsageError(`--only ${f.only}: no program has this in its name`);
  const steps = new Steps(2 * all.length, f.json === '-');
  // What a model or a layer warns about is not this command's to print
  console.warn = () => {};
  await tf.setBackend('cpu');
  const wanted: Outcome[] = [];
  for (const p of all) {
    steps.next(`cpu: ${p.name}`);
    wanted.push(await runProgram(p));
  }
  await tf.setBackend('secformer');
  const start = performance.now();
  const cases: Verdict[] = [];
  for (const [i, p] of all.entries()) {
    steps.next(`secformer: ${p.name}`);
    cases.push(await judge(p, wanted[i]!, p.times === undefined ? 1 : (f.repeat ?? p.times)));
  }
  steps.done();
  const count = (outcome: Verdict['outcome']) => cases.filter((c) => c.outcome === outcome).length;
  const unexpected = cases.filter((c) => !c.expected).map((c) => c.name);
  const record = {
    command: 'everyday',
    programs: cases.length,
    right: count('right'),
    refused: count('refused'),
    wrong: count('wrong'),
    invalid: count('invalid'),
    unexpected,
    ms: performance.now() - start,
    cases,
  };
  report(record, f.json, () =>
    [
      ...cases.map(line),
      '',
      `${record.programs} programs: ${record.right} right, ${record.refused} refused, ${record.wrong} ` +
        `wrong${record.invalid > 0 ? `, ${record.invalid} that 'cpu' does not run` : ''}`,
      unexpected.length === 0
        ? 'every refusal has its reason in the documents'
        : `${unexpected.length} not as documented`,
    ].join('\n'),
  );
  end(unexpected.length > 0 ? 1 : 0);
}
