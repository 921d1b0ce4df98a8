/**
 * Every code that an error of the packages may have, what it means and what to do: docs/faq.md is written from it, and
 * a test compares it with the codes in packages/<name>/src.
 *
 * @typedef {object} ErrorCode
 * @property {string} code
 * @property {string} means
 * @property {string} remedy
 *
 * @typedef {object} ErrorSection
 * @property {string} title
 * @property {string} about
 * @property {readonly ErrorCode[]} codes
 */

import { valuesCodes } from './error-codes-values.js';

/** @type {readonly ErrorSection[]} */
export const errorCodes = [
  valuesCodes,
  {
    title: 'Publishing and asking',
    about: 'Of models that their clients may ask and nobody may see: while one is published, and while it is asked.',
    codes: [
      {
        code: 'TRACE_READ',
        means:
          'A function that is being published reads what follows from one of its inputs, by `data()`, `dataSync()` ' +
          'or what calls them. It is traced once for all values, and has none.',
        remedy: 'Compute with tensors, such as `tf.where`, and let shapes follow from shapes.',
      },
      {
        code: 'CLIENT_PART_REFUSED',
        means:
          'What a published model asks its clients to compute is not what clients compute: another form, an ' +
          'unknown kernel, shapes that do not fit, or more memory or work than a client gives to it.',
        remedy:
          "Where you publish it, do less on the inputs before they meet weights. As a client, don't use the model, " +
          'and tell its publisher.',
      },
      {
        code: 'SHAPES_NOT_PUBLISHED',
        means:
          'The model was not published for inputs or outputs of these names, shapes and types. The message lists ' +
          'those that there are.',
        remedy: 'Pad the inputs to one of the shapes listed, or have the publisher add yours.',
      },
      {
        code: 'MODEL_DISPOSED',
        means: 'A published model is asked after its `dispose()`.',
        remedy: 'Load it again with `loadPublished`.',
      },
    ],
  },
  {
    title: 'Configuration',
    about: 'Something that you, or the operator of a node, have written has to be mended.',
    codes: [
      {
        code: 'BAD_CONFIGURATION',
        means:
          'A setting of `configure`, an environment variable, a flag of `party-node` or a file that it names is ' +
          'wrong or missing. The message says which, what was found and what is expected.',
        remedy: 'Mend it as the message says. Nothing was sent to anybody.',
      },
      {
        code: 'UNKNOWN_SUITE',
        means: 'There is no suite of that name.',
        remedy: 'Choose one of those that the message lists; see [Suites](../README.md#suites).',
      },
      {
        code: 'NO_KERNELS',
        means: '`SECFORMER_KERNELS` names kernels that are not there on this machine.',
        remedy:
          'Leave it unset, which takes the fastest there are; native ones are compiled at install where there is a ' +
          'C++ compiler.',
      },
    ],
  },
  {
    title: 'Connections',
    about: 'Their class is `NodeError`; `node` says which node the error is about.',
    codes: [
      {
        code: 'UNREACHABLE',
        means:
          'A connection did not come about: nobody listens, the certificate is for another name, expired or of an ' +
          'unknown authority, a proxy answered, a page’s policy forbids it. The message says what was found.',
        remedy: 'Start or mend what the message names. The next read connects anew.',
      },
      {
        code: 'NOT_AUTHENTICATED',
        means: 'The two ends do not have the same token, one shows a key that is not known, or another node answered.',
        remedy:
          "Clients give the content of the nodes' `--client-token-file`, or a key and a grant; two nodes give the " +
          'same token file for each other, or the same `--peers` file. Check that addresses are not swapped.',
      },
      {
        code: 'GRANT_REFUSED',
        means:
          'A grant does not allow this connection: it is over or not valid yet, for other nodes or another client’s ' +
          'key, altered, denied by an operator, or of nobody who publishes there. The message says which.',
        remedy: 'Ask the publisher of the model for another one: `party-node grant`.',
      },
      {
        code: 'VERSION_MISMATCH',
        means: 'The other end speaks another version of the protocol.',
        remedy: 'Run the same release at all three nodes and at the client.',
      },
      {
        code: 'ALREADY_CONNECTED',
        means: 'A second process claims to be a node that is connected and answers.',
        remedy: 'Stop the other process first.',
      },
      {
        code: 'TOO_MANY_CONNECTIONS',
        means:
          'A node has as many clients as it takes (256), or had to make room among connections that had proved ' +
          'nothing.',
        remedy: 'The client has tried again for 20 seconds by itself. Try later, and close sessions that are not used.',
      },
      {
        code: 'LINK_CLOSED',
        means:
          'A connection ended: between the client and a node, between two nodes in the middle of a run, or because ' +
          'the session was closed.',
        remedy:
          'Read again. What you wrote is shared again by itself; a computed tensor that was kept at the nodes is ' +
          'gone with the connection (`TENSOR_LOST`).',
      },
      {
        code: 'NO_PROGRESS',
        means:
          'A node, or the client, did not send what was due within its time limit; of `dataSync`, that ' +
          '`syncTimeoutMs` is over.',
        remedy:
          'The message names who is late. Is that machine overloaded, or its network cut? For `dataSync`, use ' +
          '`data()` or a larger `syncTimeoutMs`.',
      },
    ],
  },
  {
    title: 'Nodes and runs',
    about: 'What nodes say of a run, a tensor or the room they have.',
    codes: [
      {
        code: 'BUSY',
        means: 'A node has no room or no turn at present; `retryAfterMs` says when it may have.',
        remedy: 'The client has tried again for 20 seconds by itself. Try later, or give the node more `--memory`.',
      },
      {
        code: 'LIMIT_EXCEEDED',
        means:
          'More than a node ever takes: a read of more than 200,000 instructions or 20,000 tensors, a tensor of ' +
          'more than 2^28 elements, more memory than one session may have.',
        remedy:
          'Read a tensor on the way, and the next read starts there; dispose of tensors; run without `prepare`; ' +
          'give the node more `--memory`. The message says which.',
      },
      {
        code: 'TENSOR_LOST',
        means:
          'A computed tensor that was kept at the nodes is not there any more, because a connection or a node was ' +
          'lost in between.',
        remedy: 'Compute it again from the tensors that you wrote; those are shared again by themselves.',
      },
      {
        code: 'GAVE_WAY',
        means:
          'What was prepared in the background gave its memory to a run that somebody waits for, or nobody came for ' +
          'it.',
        remedy: 'Nothing: the client runs the read without it. You meet this code in a log at most.',
      },
      {
        code: 'INPUT_REFUSED',
        means:
          'An index lies outside its table; a prepared run was started twice or after the configuration changed; or ' +
          'a client sent the nodes different inputs for one run.',
        remedy: 'Check ids against the size of the table; `prepare` again for each run.',
      },
      {
        code: 'RUN_FAILED',
        means:
          'A run ended for a reason that has no code of its own: it was cancelled, or a thread or a node met an ' +
          'error that it did not expect.',
        remedy:
          'The message says what and where; a thread that ended without a reason mostly had no memory left. ' +
          'Otherwise please report it.',
      },
    ],
  },
  {
    title: 'Published models',
    about: 'What nodes say of a model that they keep for others to ask.',
    codes: [
      {
        code: 'NOT_ALLOWED',
        means:
          'Whoever is connected may not do this: a client with a grant asks the published models of its grant and ' +
          'nothing else, only a publisher publishes, and an owner of tensors asks no published model.',
        remedy:
          'Connect with the credentials that it takes: `party-node grant` for asking, the key of a publisher in the ' +
          'access files of all three nodes for publishing.',
      },
      {
        code: 'QUOTA_SPENT',
        means:
          'The grant allows so many runs in so many seconds, and they have begun; runs that failed later count too. ' +
          '`retryAfterMs` says when the next one may begin.',
        remedy: 'Ask again then, or ask the publisher for a grant with another quota.',
      },
      {
        code: 'MODEL_UNKNOWN',
        means:
          'No model of that name and version is served, or none of that sharing waits to be. One that a node lacks ' +
          'is served by none; the message names the node.',
        remedy:
          'Check the name and the version: `party-node models` lists what a key may ask. Otherwise ask the publisher ' +
          'whether it was unpublished; the operators see by `/readyz` what is missing where.',
      },
      {
        code: 'MODEL_EXISTS',
        means:
          'A model of that name and version is there already, of this publisher or of another: versions never change.',
        remedy: 'Publish under a new version, or end the old one first: `party-node unpublish NAME@VERSION`.',
      },
      {
        code: 'MODEL_DAMAGED',
        means:
          "A file of a stored model is missing, altered, cut short or not its own, or the node's key is not the one " +
          'that it was stored under. The message says which. Other models are served, and nothing is removed by ' +
          'itself.',
        remedy:
          "The operator gives the key that it was stored under or restores the model's folder and starts the node " +
          'again. Otherwise its publisher publishes the same version again, or unpublishes it; where the node cannot ' +
          'tell any more whose it was, the operator removes the folder first.',
      },
    ],
  },
  {
    title: 'Checkpoints',
    about: 'From `@secformer/bert-loader`, of the classes `ModelFileError` and `NoHeadError`.',
    codes: [
      {
        code: 'BAD_MODEL_FILE',
        means:
          'A file of a model folder is missing, damaged, a Git LFS pointer, or says what is not understood. `file` ' +
          'names it.',
        remedy:
          'Fetch the file again (`git lfs pull` for a pointer), or see [what is ' +
          'understood](../packages/bert-loader/README.md#what-is-understood).',
      },
      {
        code: 'NO_SUCH_HEAD',
        means: '`logits`, `answers` or `pooled` was asked of a checkpoint that has no such head.',
        remedy: '`model.head` is the head that is there; `hiddenStates` and `embed` need none.',
      },
    ],
  },
  {
    title: 'Training',
    about: 'From `@secformer/distill`, of the class `DistillError`.',
    codes: [
      {
        code: 'BAD_TASK_DATA',
        means:
          "A file of a task's examples is missing, or a line of it is no example. The message names the file and the " +
          'line, and never holds a text.',
        remedy:
          'Fetch the file again, or see [the columns of each ' +
          'task](../packages/distill/README.md#tasks-and-their-files).',
      },
      {
        code: 'BAD_TRAINING',
        means:
          'A setting of a training is out of its range, two do not go together, or the backend that was asked for ' +
          'cannot be had; or the folder of the model that is made cannot be written to, is in use, or has what would ' +
          'be lost. The message says which, what came and what is expected.',
        remedy: 'Mend it as the message says. No model was written.',
      },
      {
        code: 'TRAINING_DIVERGED',
        means:
          'The loss of a step, its gradient, or a score of the development set is no finite number: weights have run ' +
          'away.',
        remedy:
          'Choose a lower `--rate`, a longer `--warmup`, a `--cap` for the scores of a student, or ' +
          '`--one-layer-at-a-time` where norms are replaced. States that were saved before are there still.',
      },
      {
        code: 'CHECKPOINT_MISMATCH',
        means:
          'The state that a training was to go on from is damaged, or of a training with other settings, models or ' +
          'data. The message lists what differs.',
        remedy:
          'Name the same settings again. Of a damaged state remove its folder, which the message names: the one ' +
          'before it goes on. To begin anew remove the folder `states` and leave `--resume` out.',
      },
      {
        code: 'NOT_WRITTEN',
        means:
          'A model, a state or a record could not be written, for there is no room or no right. The message names ' +
          'the file; what was there before is there still.',
        remedy: 'Make room, and go on with `--resume` from the last state that was saved.',
      },
    ],
  },
  {
    title: 'Internal checks',
    about:
      'These stop a computation rather than let it go on wrongly. You meet them if you drive the lower packages ' +
      'yourself or change them, or if the ends of a link do not run the same code.',
    codes: [
      {
        code: 'BAD_MESSAGE',
        means: 'A message does not fit its schema, its moment or its sender. The message names the field.',
        remedy: 'Run the same release everywhere. With a client of your own, send what the field should be.',
      },
      {
        code: 'BAD_FRAME',
        means: 'A frame has a wrong length or head, or a payload is not as long as the schedule says.',
        remedy: 'Run the same release everywhere; look for a proxy that changes what passes through it.',
      },
      {
        code: 'STREAM_REUSED',
        means:
          'A stream of randomness was asked for twice in one run. The run ends before a second value is masked with ' +
          'it.',
        remedy: 'Please report it: see [security.md](security.md#why-no-mask-is-drawn-twice).',
      },
      {
        code: 'STREAM_TOO_LONG',
        means: 'More was asked of one stream than its 2^32 blocks.',
        remedy: 'Split the tensor. No program within the limits comes near it.',
      },
      {
        code: 'PROTOCOL_DRIFT',
        means: 'The dealer made other corrections for an instruction than the instruction declares.',
        remedy: 'In an instruction of your own, make `deal` return what `material` declares.',
      },
      {
        code: 'NO_MATERIAL',
        means: 'Party 1 was run without a source of corrections.',
        remedy: 'Give `runParty` its `material`.',
      },
      {
        code: 'KERNEL_ARGUMENT',
        means: 'A kernel was called with arrays whose lengths do not match; it would have read or written beyond them.',
        remedy: 'Check the lengths that the message names.',
      },
      {
        code: 'SHAPE_MISMATCH',
        means: 'A share was made of a number of words that is not that of its shape.',
        remedy: 'Check the shape.',
      },
      {
        code: 'BAD_SECRET',
        means: 'A key or seed does not have 32 bytes.',
        remedy: 'Give 32 random bytes.',
      },
    ],
  },
];
