import { loadKernels } from '@secformer/ring';
import { suiteOf } from '@secformer/secformer-ops';
import { chooseKernels } from '../kernels.js';
import { columns, milliseconds, report, UsageError } from '../report.js';
import { type OpFlags, operationNames, operations } from './cases.js';
import { ErrorSummary, type Measured, measure, timeOnline } from './measure.js';

/** Elements of one batch: larger sizes are measured batch by batch, so that memory stays small. */
const BATCH = 131_072;

/** One protocol: its error, bytes, rounds and time, with both parties and the dealer in this process. */
export async function op(name: string, f: OpFlags): Promise<void> {
  const make = operations[name];
  if (!make) throw new UsageError(`op ${name}: choose one of ${operationNames.join(', ')}`);
  const suite = suiteOf(f.suite);
  await chooseKernels(f.kernels);
  const kernels = await loadKernels();
  const [error, vsModel] = [new ErrorSummary(), new ErrorSummary()];
  const batches: Measured[] = [];
  let different = false;
  let width: number | undefined;
  for (let left = f.size; left > 0; ) {
    const n = Math.min(BATCH, left);
    const c = make(n, f);
    different ||= c.model !== undefined;
    width = c.width ?? c.inputs[0]!.shape.at(-1);
    batches.push(
      await measure(kernels, c, error, vsModel, { lastPlace: name === 'truncate', shadow: f.shadow === true }),
    );
    left -= name === 'matmul' ? left : n;
  }
  const timed = f.shadow || f.runs === 0 ? undefined : make(f.size, f);
  // A one-hot input is the client's to mask
  const onlineMs = timed && !timed.lookup ? await timeOnline(kernels, timed, f.runs) : [];
  const total = (of: (b: Measured) => number) => batches.reduce((s, b) => s + of(b), 0);
  const elements = total((b) => b.elements);
  const outside = total((b) => b.outside);
  const violation = batches.find((b) => b.violation)?.violation;
  const remark = suite.remark?.(name, width ?? 1);
  const { meanError, ...errors } = error.record;
  const record = {
    command: 'op',
    op: name,
    suite: f.suite,
    kernels: kernels.name,
    size: elements,
    // Against the function that the suite means: 2Quad with 2Quad, the model's own elsewhere
    error: { ...errors, meanError },
    ...(different && { errorVsModel: vsModel.record }),
    meanError,
    bytesPerElement: { online: (2 * total((b) => b.online)) / elements, offline: total((b) => b.dealer) / elements },
    rounds: batches[0]!.rounds,
    nsPerElement: (total((b) => b.ms) * 1e6) / elements,
    ...(onlineMs.length > 0 && { online: { ms: onlineMs, threads: 2 } }),
    failures: error.failures,
    ...(outside > 0 && { rowsOutsideDomain: outside }),
    ...(remark !== undefined && { remark }),
    ...(f.shadow && { shadow: violation ?? 'every instruction agrees with its plaintext' }),
  };
  report(
    record,
    f.json,
    () =>
      columns([
        [`${name}, suite ${f.suite}, kernels ${kernels.name}`, `${elements} elements`],
        ['largest error', record.error.maxAbs.toExponential(3)],
        ['mean error, absolute', record.error.meanAbs.toExponential(3)],
        ['mean error, signed', record.meanError.toExponential(3)],
        ['largest relative error', record.error.maxRel.toExponential(3)],
        ...(different
          ? [["largest error against the unmodified model's function", vsModel.record.maxAbs.toExponential(3)]]
          : []),
        ['bytes an element, online (sent + received)', record.bytesPerElement.online.toFixed(3)],
        ['bytes an element, dealer', record.bytesPerElement.offline.toFixed(3)],
        ['rounds', record.rounds],
        ['ns an element, three roles in one thread', record.nsPerElement.toFixed(1)],
        ...(onlineMs.length > 0 ? [['online, prepared, a thread for each party', milliseconds(onlineMs)]] : []),
        ['failures', record.failures],
        ...(outside > 0 ? [["rows outside the approximation's domain, left out", outside]] : []),
      ]) + [remark, f.shadow && `shadow: ${record.shadow}`].map((line) => (line ? `\n${line}` : '')).join(''),
  );
}
