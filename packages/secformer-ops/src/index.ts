export * from './compose/arg-max.js';
export { Watch } from './compose/domain.js';
export * from './compose/elementwise.js';
export * from './compose/emitter.js';
export * from './compose/fits.js';
export * from './compose/formats.js';
export { groupsOf } from './compose/group-max.js';
export { type InverseRange, type InverseWatch, inverse } from './compose/inverse.js';
export * from './compose/layer-norm.js';
export { divide, log, octave, reciprocal, rsqrt, sqrt } from './compose/octave.js';
export * from './compose/one-hot.js';
export * from './compose/piecewise.js';
export * from './compose/power.js';
export { minusPublic, plusPublic, timesPublic, weighed } from './compose/public.js';
export * from './compose/quad.js';
export * from './compose/small.js';
export * from './compose/softmax.js';
export * from './compose/top-k.js';
export * from './compose/windowed.js';
export * from './graph/bounds.js';
export * from './graph/functions.js';
export * from './graph/graph.js';
export * from './graph/needed.js';
export { OPERAND_FORMATS, type OperandBits, type OperandFormat } from './graph/operand-format.js';
export * from './graph/plaintext.js';
export * from './instruction/blocks.js';
export * from './instruction/buckets.js';
export type * from './instruction/primitive.js';
export * from './instruction/public-words.js';
export * from './instruction/reals.js';
export * from './instruction/stored-opening.js';
export * from './instruction/types.js';
export * from './limits.js';
export * from './plan/forms.js';
export { type Binding, type InputState, writtenTensor } from './plan/inputs.js';
export * from './plan/lookup.js';
export * from './plan/plan.js';
export * from './plan/ranges.js';
export type { Watched } from './plan/watched.js';
export * from './program/builder.js';
export type { ProgramCost } from './program/cost.js';
export { type DealerRun, type MaterialSink, runDealer } from './program/dealer.js';
export { giveUp, type MaterialSource, type PreparedParty, prepareParty } from './program/draw.js';
export * from './program/outputs.js';
export { type Exchange, type PartyRun, releaseOutputs, runParty } from './program/party.js';
export * from './program/plain.js';
export * from './program/program.js';
export * from './program/shadow.js';
export * from './program/together.js';
export { newTrace, type OperationCost, type RunTrace, type TraceEvent } from './program/trace.js';
export {
  type Breath,
  dealerWritten,
  type MaskKeys,
  partyWritten,
  writtenBytes,
  writtenOpening,
} from './program/written-opening.js';
export { primitives } from './protocols/index.js';
export * from './suites/index.js';
export type * from './suites/suite.js';
export { QUAD_CONSTANT } from './suites/suite.js';
