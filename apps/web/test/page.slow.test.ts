/** The page in a real browser, against real nodes. */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { Page } from 'playwright-core';
import { CHROMIUM, connectionTo, plaintext, Site } from './site.js';
import { Wire } from './wire.js';

const SENTENCES = [
  'A warm, funny and beautifully acted film.',
  'The plot makes no sense and the jokes fall flat.',
  'An unforgettable, heartbreaking masterpiece.',
  'Tedious, overlong and utterly predictable.',
  'I would happily watch it again tomorrow.',
  'The worst two hours of my year.',
  'Its young cast is a delight to watch.',
  'A dull script wastes a good idea.',
  'Gorgeous to look at and a joy to listen to.',
  'It is hard to care about anyone here.',
];
/** Of 64 tokens, so that its run is long enough to be disturbed. */
const LONG = `${'A film that goes on and on, '.repeat(6)}and never once a dull moment in it.`;
const ANSWER_MS = 60_000;
/** Where the machine has time: there a later answer takes so long, and elsewhere the first one may take more alike. */
const FIRST_ANSWER_MS = 2_000;
const LATER_ANSWER_MS = 600;
const LONG_TASK_MS = 100;
/** Answers during which the page's thread may have been kept from running: a page that is slow is slow in each. */
const HELD_UP = 2;

const screenshots = fileURLToPath(new URL('../../screenshots/', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const inBrowser: typeof test.serial.skip = CHROMIUM ? test.serial : test.serial.skip;
if (!CHROMIUM)
  test.skip('no browser: neither the variable SECFORMER_CHROMIUM nor /usr/bin/chromium leads to Chromium', () => {});

let site: Site;
test.before(async (t) => {
  t.timeout(180_000);
  if (CHROMIUM) site = await Site.start();
});
test.afterEach.always(() => {
  if (site) site.config = site.classifier;
});
test.after.always(async () => site?.stop());

/** Asks, and waits for an answer or a failure. @returns what the page says */
async function asked(page: Page, ...texts: string[]): Promise<{ answer?: string; failure?: string }> {
  await page.fill('#first', texts[0]!);
  if (texts[1] !== undefined) await page.fill('#second', texts[1]);
  await page.click('#submit');
  return settled(page);
}

async function settled(page: Page): Promise<{ answer?: string; failure?: string }> {
  const end = await page.waitForFunction(
    () => {
      const find = (id: string) => document.getElementById(id)!;
      if ((find('submit') as HTMLButtonElement).disabled) return undefined;
      if (!find('failure').hidden) return { failure: find('failure').textContent.trim() };
      return { answer: find('label').textContent };
    },
    undefined,
    { timeout: ANSWER_MS },
  );
  return (await end.jsonValue()) as { answer?: string; failure?: string };
}

/** The page draws what has changed with its next frame. */
const drawn = (page: Page) =>
  page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));

async function hexOf(page: Page, server: string): Promise<string[]> {
  await drawn(page);
  return page.locator(`#${server} .hex`).allTextContents();
}
const ready = (page: Page) => page.waitForFunction(() => document.getElementById('phase')!.textContent === 'Ready');

inBrowser(
  'ten sentences have the labels of plaintext, the first soon after loading, and typing stays smooth',
  async (t) => {
    t.timeout(180_000);
    const plain = await plaintext(SENTENCES);
    const { page, errors } = await site.open();
    const begun: number[] = [];
    const first: number[] = [];
    const times: number[] = [];
    for (const [i, text] of SENTENCES.entries()) {
      begun.push(await page.evaluate(() => performance.now()));
      const { answer, failure } = await asked(page, text);
      t.is(failure, undefined);
      t.is(answer, plain.label(text), text);
      if (i === 0) first.push(await sinceLoaded(page));
      else times.push(await milliseconds(page));
    }
    const long = (await page.evaluate(() => (globalThis as unknown as { longTasks: unknown[] }).longTasks)) as {
      at: number;
      ms: number;
    }[];
    const during = begun.map((from, i) => {
      const to = begun[i + 1] ?? Number.POSITIVE_INFINITY;
      return Math.max(0, ...long.filter(({ at }) => at >= from && at < to).map(({ ms }) => ms));
    });
    const usual = times.toSorted((a, b) => a - b)[times.length >> 1]!;
    const bar = FIRST_ANSWER_MS * Math.max(1, usual / LATER_ANSWER_MS);
    // Once may meet a machine that is busy with something else
    while (Math.min(...first) > bar && first.length < 4) first.push(await firstAnswer());
    t.true(Math.min(...first) <= bar, `${first.join(', ')} ms, at most ${Math.round(bar)}`);
    t.log(
      `first answer after ${first} ms, later ones took ${times} ms; longest tasks of the page meanwhile ${during} ms`,
    );
    t.true(during.filter((ms) => ms > LONG_TASK_MS).length <= HELD_UP, `tasks of ${during.join(', ')} ms`);
    t.deepEqual(errors, []);
    await page.context().close();
  },
);

async function firstAnswer(): Promise<number> {
  const { page } = await site.open();
  await asked(page, SENTENCES[0]!);
  const ms = await sinceLoaded(page);
  await page.context().close();
  return ms;
}

const sinceLoaded = (page: Page) =>
  page.evaluate(() => {
    const [load] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
    return Math.round(performance.now() - load!.loadEventEnd);
  });

/** The time that the page says. */
async function milliseconds(page: Page): Promise<number> {
  const text = (await page.locator('#figures dd').first().textContent())!;
  return text.endsWith(' ms') ? Number.parseFloat(text) : 1000 * Number.parseFloat(text);
}

inBrowser(
  'the same sentence sends other bytes, none of them the sentence, and nothing of it to the dealer',
  async (t) => {
    const { page } = await site.open();
    t.true(await page.locator('#plain').isDisabled());
    t.deepEqual(await asked(page, SENTENCES[0]!), { answer: 'positive' });
    const first = { party0: await hexOf(page, 'party0'), party1: await hexOf(page, 'party1') };
    t.true(first.party0.length > 0 && first.party1.length > 0);
    for (const hex of [...first.party0, ...first.party1]) t.regex(hex, /^[0-9a-f]{2}(\s[0-9a-f]{2}){31}/);
    t.regex((await page.textContent('#dealer'))!, /Nothing of your sentence/);
    await page.click('#again');
    t.truthy((await settled(page)).answer);
    for (const server of ['party0', 'party1'] as const) {
      const now = await hexOf(page, server);
      t.is(now.length, 2 * first[server].length, 'now, and before');
      for (const [i, hex] of first[server].entries()) {
        t.not(now[2 * i], hex);
        t.is(now[2 * i + 1], hex);
      }
      const shares = await page.locator(`#${server} .data .note`).allTextContents();
      t.true(shares.length > 0);
      for (const text of shares) {
        const [, same, of] = /^(\d+) of the first ([\d,]+) bytes/.exec(text)!;
        // Chance: one in 256
        t.true(Number(same) <= 12 + Number(of!.replace(',', '')) / 32, text);
      }
    }
    await page.click('#plain');
    t.is(await page.getAttribute('#plain', 'aria-pressed'), 'true');
    await drawn(page);
    const open = (await page.textContent('#party0'))!;
    const [bytes] = await hexOf(page, 'party0');
    // [CLS] a warm, of BERT's vocabulary
    t.regex(bytes!, /^65 00 00 00 0d 04 00 00 /);
    t.regex(open, /Token ids 101 1037 4010 /);
    t.true(open.includes(SENTENCES[0]!));
    await page.context().close();
  },
);

inBrowser('two texts are compared where a model embeds', async (t) => {
  const [a, b] = [SENTENCES[0]!, SENTENCES[3]!];
  const plain = await plaintext([a, b]);
  site.config = site.embedder;
  const { page } = await site.open();
  await ready(page);
  t.is((await page.textContent('#submit'))!, 'Compare');
  t.truthy((await asked(page, a, b)).answer);
  const shown = Number(/cosine (-?[\d.]+)/.exec((await page.textContent('#share'))!)![1]);
  t.true(Math.abs(shown - plain.similarity(a, b)) < 0.002, `${shown}, plaintext ${plain.similarity(a, b)}`);
  await page.context().close();
});

inBrowser('a wrong grant and one that is over are said in words; with a right one the next try works', async (t) => {
  const over = await connectionTo(site.service, 'sst2', Math.floor(Date.now() / 1000) - 86_400);
  site.config = { ...site.classifier, grant: site.embedder.grant! };
  const { page } = await site.open();
  const wrong = await asked(page, SENTENCES[0]!);
  t.regex(wrong.failure ?? '', /refuse your grant/);
  t.regex(wrong.failure ?? '', /Ask the publisher/);
  const paste = async (text: string) => {
    await page.fill('#paste', text);
    await page.click('#take');
    t.is(await page.inputValue('#paste'), '');
  };
  await paste(JSON.stringify(over));
  await page.waitForFunction(() => /is over since/.test(document.getElementById('failure-detail')!.textContent));
  await page.setInputFiles('#files', [
    { name: 'a.key', mimeType: 'text/plain', buffer: Buffer.from(`${site.classifier.key}\n`) },
    { name: 'a.grant', mimeType: 'text/plain', buffer: Buffer.from(`${site.classifier.grant}\n`) },
  ]);
  await ready(page);
  t.deepEqual(await asked(page, SENTENCES[0]!), { answer: 'positive' });
  t.false((await page.content()).includes(site.classifier.key), 'a key is never on the page');
  await page.context().close();
});

inBrowser('nothing is kept unless it is wanted, and it can be forgotten', async (t) => {
  site.config = undefined;
  const { page } = await site.open();
  t.regex((await asked(page, SENTENCES[0]!)).failure ?? '', /does not know whom to ask/);
  const kept = () => page.evaluate(() => JSON.stringify({ ...localStorage }));
  await page.fill('#paste', JSON.stringify(site.classifier));
  await page.click('#take');
  await ready(page);
  t.is(await kept(), '{}');
  await page.check('#remember');
  t.true((await kept()).includes('ed25519-secret'));
  await page.reload();
  await ready(page);
  await page.click('#connection summary');
  await page.uncheck('#remember');
  t.is(await kept(), '{}');
  await page.context().close();
});

inBrowser(
  'a node that is down, and one that is killed in the middle, are said in words; the next try works',
  async (t) => {
    t.timeout(240_000);
    const { page } = await site.open();
    t.deepEqual(await asked(page, SENTENCES[0]!), { answer: 'positive' });
    await site.service.kill('party1');
    t.regex(
      (await asked(page, SENTENCES[0]!)).failure ?? '',
      /^(Server B cannot be reached|The connection to Server B)/,
    );
    await site.restart('party1');
    t.deepEqual(await asked(page, SENTENCES[0]!), { answer: 'positive' });

    let failure: string | undefined;
    for (let tries = 0; tries < 5 && failure === undefined; tries++) {
      await page.fill('#first', LONG);
      await page.click('#submit');
      await page.waitForSelector('#bar[data-phase="running"]', { timeout: ANSWER_MS });
      await site.service.kill('party0');
      ({ failure } = await settled(page));
      await site.restart('party0');
    }
    t.regex(failure ?? '', /^(The connection to Server A broke|The servers could not finish)/);
    t.regex(failure ?? '', /Try again/);
    // Stopped by hand, the next try works as well
    await page.fill('#first', SENTENCES[0]!);
    await page.click('#submit');
    await page.click('#stop');
    t.regex((await settled(page)).failure ?? '', /^Stopped/);
    t.deepEqual(await asked(page, SENTENCES[0]!), { answer: 'positive' });
    await page.context().close();
  },
);

inBrowser('a slow network is said in words, and its answer comes all the same; the next try works', async (t) => {
  t.timeout(240_000);
  const network = site.classifier.network as Record<string, { url: string }>;
  const wire = await Wire.to(network.party0!.url);
  t.teardown(() => wire.close());
  site.config = { ...site.classifier, network: { ...network, party0: { ...network.party0, url: wire.url } } };
  const { page } = await site.open();
  t.deepEqual(await asked(page, SENTENCES[0]!), { answer: 'positive' });
  wire.hold();
  await page.fill('#first', SENTENCES[0]!);
  await page.click('#submit');
  await page.waitForFunction(
    () =>
      /the network or the servers are slow\. You can wait, or stop\./.test(
        document.getElementById('phase')!.textContent,
      ),
    undefined,
    { timeout: ANSWER_MS },
  );
  wire.release();
  t.is((await settled(page)).answer, 'positive');
  t.is((await asked(page, SENTENCES[1]!)).answer, 'negative');
  await page.context().close();
});

const LOOKS = [1280, 390].flatMap((width) => (['light', 'dark'] as const).map((scheme) => ({ width, scheme })));

inBrowser('axe finds nothing, wide and narrow, light and dark', async (t) => {
  t.timeout(120_000);
  mkdirSync(screenshots, { recursive: true });
  const { page } = await site.open({ reducedMotion: 'reduce' });
  await page.evaluate(axe);
  const look = async (state: string) => {
    for (const { width, scheme } of LOOKS) {
      await page.setViewportSize({ width, height: 880 });
      await page.emulateMedia({ colorScheme: scheme });
      await page.screenshot({ path: join(screenshots, `${width}-${scheme}-${state}.png`), fullPage: true });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      t.true(wide <= 0, `${state}: ${wide} pixels too wide`);
      const found = await page.evaluate(async () => {
        const { run } = (globalThis as unknown as { axe: { run(): Promise<AxeResult> } }).axe;
        return (await run()).violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
      });
      t.deepEqual(found, [], `${state}, ${width} pixels, ${scheme}`);
    }
  };
  await ready(page);
  await look('ready');
  await asked(page, SENTENCES[0]!);
  await page.click('#again');
  await settled(page);
  await look('answer');
  await page.click('#plain');
  await page.click('#connection summary');
  await page.fill('#paste', 'no key');
  await page.click('#take');
  await page.fill('#model', 'another');
  await page.dispatchEvent('#model', 'change');
  await page.waitForSelector('#failure:not([hidden])', { timeout: ANSWER_MS });
  await look('failure');
  await page.context().close();
});

interface AxeResult {
  violations: { id: string; nodes: { target: string[] }[] }[];
}
