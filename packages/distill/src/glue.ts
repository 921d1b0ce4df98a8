/** GLUE's tasks, files and measures, without TensorFlow.js: for what measures a model that is not trained. */
export { DistillError, type DistillErrorCode } from './errors.js';
export { type MetricName, metrics } from './glue/metrics.js';
export { predicted } from './glue/predicted.js';
export { type Example, examplesOf, readExamples, taskFile } from './glue/read.js';
export { type Task, tasks } from './glue/tasks.js';
