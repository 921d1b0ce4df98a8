// The tables of docs/accuracy.md, of records by name as write-accuracy.js keeps them.

const TASKS = {
  cola: ['CoLA', 'Matthews'],
  mrpc: ['MRPC', 'F1'],
  stsb: ['STS-B', 'Pearson, Spearman'],
  rte: ['RTE', 'accuracy'],
  sst2: ['SST-2', 'accuracy'],
};
const names = Object.keys(TASKS);
const each = (suffix, but = {}) => Object.fromEntries(names.map((task) => [task, but[task] ?? suffix]));

/** What the five tasks' table has a line of: the endings of its records' names. */
const STUDENTS = [
  ['softmax, the teacher', each('')],
  ['2Quad, (s + c)² over its sum', each('-2quad', { mrpc: '-2quad-texts', rte: '-2quad-texts', stsb: '-2quad-texts' })],
  ['CGF, e^(s − mean − c·var)/n', each('-cgf')],
  ['2Quad, fitted, before training', each('-2quad-fitted')],
  ['2Quad before training', each('-2quad-untrained')],
];

/** Of MiniLM and BERT-base, in the order of the table of answers: ending of the name, what it is. */
const OF_TASK = [
  ['', 'softmax'],
  ['-2quad', '2Quad'],
  ['-2quad-texts', '2Quad, from other texts too'],
  ['-2quad-13', '2Quad, `--operand-bits 13`'],
  ['-2quad-texts-13', 'the same, `--operand-bits 13`'],
  ['-cgf', 'CGF'],
];
const TINY = [
  ['', '`sst2-tiny`, softmax'],
  ['-2quad', 'the same shape, 2Quad'],
  ['-power', '`sst2-tiny-power`'],
];

/** Development sets as their authors report them, from plaintext PyTorch. */
const LITERATURE = [
  ['softmax, as published (Luo et al. 2024)', 90.3, 69.7],
  ['MPCFormer, 2Quad and Quad (as reported there)', 88.7, 64.9],
  ['SecFormer, 2Quad', 89.2, 69.0],
];

const percent = (x, digits) => (x === undefined ? '' : (100 * x).toFixed(digits));
const mean = (values) =>
  values.every((v) => v !== undefined) ? values.reduce((a, b) => a + b, 0) / values.length : undefined;

/** Cells in columns of one width, as Prettier has them. */
function table(head, rows) {
  const all = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, i) => Math.max(3, ...all.map((row) => [...row[i]].length)));
  const line = (row) => `| ${row.map((cell, i) => cell + ' '.repeat(widths[i] - [...cell].length)).join(' | ')} |`;
  return [line(head), `| ${widths.map((w) => '-'.repeat(w)).join(' | ')} |`, ...all.slice(1).map(line)].join('\n');
}

export function fiveTasksTable({ trainings, baselines }) {
  const line = (label, values, teacher) => {
    const own = mean(values);
    const points = own === undefined || teacher === undefined ? undefined : (100 * (own - teacher)).toFixed(1);
    const apart = points?.replace('-0.0', '0.0').replace('-', '−') ?? '';
    return [label, ...values.map((v) => percent(v, 1)), percent(own, 1), apart];
  };
  const reached = (endings) => names.map((task) => trainings[`minilm-${task}${endings[task]}`]?.best.value);
  const teacher = mean(reached(STUDENTS[0][1]));
  const rows = STUDENTS.map(([label, endings], i) => line(label, reached(endings), i === 0 ? undefined : teacher));
  const pytorch = names.map((task) => baselines[`minilm-${task}`]?.best);
  rows.splice(1, 0, line('softmax, trained by PyTorch', pytorch, teacher));
  return table(['MiniLM', ...names.map((task) => TASKS[task].join(', ')), 'mean', 'beside the teacher'], rows);
}

function answersRow(label, { task, metrics, labels, sentences, refused, largestError, perSentence, roundsOfBatch }) {
  const [{ plaintext, private: kept }] = metrics;
  const [same, all] = [sentences - refused - (labels?.differ ?? 0), sentences].map((n) => n.toLocaleString('en'));
  const cells = [labels ? `${same} of ${all}` : '', refused > 0 ? `${refused} refused` : ''];
  return [
    label,
    ...TASKS[task],
    percent(plaintext, 2),
    percent(kept, 2),
    cells.filter(Boolean).join(', '),
    largestError.toFixed(5),
    `${(perSentence.bytes / 1e6).toPrecision(3)} MB`,
    roundsOfBatch,
    (perSentence.cpuMs / 1000).toFixed(2),
  ];
}

export function answersTable({ answers }) {
  const rows = TINY.filter(([ending]) => answers[`sst2-tiny${ending}`]).map(([ending, label]) =>
    answersRow(label, answers[`sst2-tiny${ending}`]),
  );
  for (const [base, shown] of [
    ['minilm', 'MiniLM'],
    ['bert-base', 'BERT-base'],
  ])
    for (const task of names)
      for (const [ending, what] of OF_TASK) {
        const answered = answers[`${base}-${task}${ending}`];
        if (answered) rows.push(answersRow(what.startsWith('the same') ? what : `${shown}, ${what}`, answered));
      }
  const head = [
    'model',
    'task',
    'measure',
    'plaintext',
    'private',
    'labels that are the same',
    'largest difference of a logit',
    'bytes',
    'rounds of a batch',
    'processor s',
  ];
  return table(head, rows);
}

export function baseTable({ answers, trainings }) {
  const shown = (name) => {
    const answered = answers[name]?.metrics[0];
    if (answered) return `${percent(answered.plaintext, 1)}, ${percent(answered.private, 1)}`;
    return percent(trainings[name]?.best.value, 1);
  };
  const own = (label, ending) => [label, shown(`bert-base-mrpc${ending}`), shown(`bert-base-rte${ending}`)];
  return table(
    ['BERT-base', 'MRPC, F1', 'RTE, accuracy'],
    [
      own('softmax, trained here: plaintext, private', ''),
      own('2Quad, trained here: plaintext, private', '-2quad'),
      ...LITERATURE.map(([label, ...values]) => [label, ...values.map((v) => v.toFixed(1))]),
    ],
  );
}

/** Base and task of a record's name, and what it is beside them. */
function parts(name) {
  const found = /^(minilm|bert-base|sst2-tiny)(?:-(cola|mrpc|stsb|rte|sst2))?(?:-(.*))?$/.exec(name);
  if (!found) throw new Error(`${name}: no name of a record`);
  return found.slice(1);
}

export function trainingsTable({ trainings }) {
  const shown = { minilm: 'MiniLM', 'bert-base': 'BERT-base', 'sst2-tiny': '`sst2-tiny`' };
  const bases = Object.keys(shown);
  const order = (name) => {
    const [base, task] = parts(name);
    return 10 * bases.indexOf(base) + names.indexOf(task ?? 'sst2');
  };
  const kinds = { softmax: 'softmax', '2quad': '2Quad', cgf: 'CGF', power: 'power' };
  const rows = Object.entries(trainings)
    .filter(([, { steps }]) => steps > 1)
    .sort(([a], [b]) => order(a) - order(b) || (a < b ? -1 : 1))
    .map(([name, { task, settings, attention, norms, steps, best, seconds, fittingSeconds = 0 }]) => [
      shown[parts(name)[0]],
      TASKS[task][0],
      kinds[attention] + (norms === 'affine' ? ', affine norms' : ''),
      settings.textsOf ? settings.textsOf.map((t) => TASKS[t][0]).join(', ') : '',
      (attention !== 'softmax' && settings.fit?.toLocaleString('en')) || '',
      settings.batch,
      settings.rate.toExponential(),
      settings.stages.map((stage) => stage.epochs).join(' + '),
      steps.toLocaleString('en'),
      best.step.toLocaleString('en'),
      percent(best.value, 1),
      Math.round((seconds + fittingSeconds) / 60),
    ]);
  const head = [
    'model',
    'task',
    'attention',
    'other texts',
    'fitted',
    'batch',
    'rate',
    'epochs',
    'steps',
    'best',
    'reached',
  ];
  return table([...head, 'minutes'], rows);
}
