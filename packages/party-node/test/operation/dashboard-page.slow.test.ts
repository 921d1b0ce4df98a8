/** The dashboard in a real browser, at nodes that have run something; skipped where there is no Chromium. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { type Browser, chromium, type Page } from 'playwright-core';
import { Asking, Session } from '../../src/index.js';
import { dialSocket, startLocalService } from '../../src/node.js';
import type { ProgramPlan } from '../../src/operation/dashboard/program-plan.js';
import type { RunTraceFile } from '../../src/operation/dashboard/run-trace.js';
import type { NodeRole } from '../../src/wire/tokens.js';
import { linesOf, sleep, until } from '../attacks/kit.js';
import { askSmall, ROWS, requestOf, table, WIDTH, weights } from '../publishing.js';

const CHROMIUM = process.env.SECFORMER_CHROMIUM ?? '/usr/bin/chromium';
const there = existsSync(CHROMIUM);
const inBrowser = there ? test.serial : test.serial.skip;
const why = there ? '' : ` (skipped: there is no ${CHROMIUM})`;
const folder = fileURLToPath(new URL('../../../screenshots', import.meta.url));
const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const ASKS = 9;

interface Axe {
  run(): Promise<{
    violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[];
  }>;
}

async function nodesThatRan() {
  const service = await startLocalService({ flags: () => ['--admin', '127.0.0.1:0'] });
  const nodes = service.network.keys;
  const dial = (role: NodeRole) => dialSocket(service.network.urls[role], 'client', { pinned: true });
  const key = service.publisher.secret;
  const session = await Session.connect(dial, { key, nodes });
  await session.write(1, table, [ROWS, WIDTH]);
  await session.write(2, weights, [WIDTH, 3]);
  await session.publish({ ...requestOf('1'), key });
  session.close();
  const asking = await Asking.connect(dial, { ...(await service.grant({ model: 'small' })), nodes });
  for (let i = 0; i < ASKS; i++) await askSmall(asking, i % 2 === 0 ? 4 : 9);
  // A client that leaves in the middle of a run, and one that is not let in
  const leaves = await Asking.connect(dial, { ...(await service.grant({ model: 'small' })), nodes });
  const left = askSmall(leaves).catch(() => {});
  await sleep(5);
  leaves.close();
  await left;
  const { key: stranger } = await service.grant({ model: 'small' });
  await Asking.connect(dial, { key: stranger, nodes }).catch(() => {});
  await until(() => linesOf(service.log('party0'), 'run').length > ASKS);
  const admin = String(linesOf(service.log('party0'), 'listening')[0]!.admin);
  return { service, asking, admin };
}

/** What Perfetto's page says and takes, in its place: the test asks nobody beyond this machine. */
const PERFETTO = `<!doctype html><title>waits</title><script>
addEventListener('message', ({ data, source, origin }) => {
  if (data === 'PING') source.postMessage('PONG', origin);
  else document.title = data.perfetto.title + ' ' + data.perfetto.buffer.byteLength + ' ' + (opener === null);
});
</script>`;

/** Loads the page, and waits until it has drawn what it knows at once. */
async function opened(browser: Browser, admin: string) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  // Not through the page, which lets no other script in
  await context.addInitScript({ path: AXE });
  await context.route('https://ui.perfetto.dev/**', (to) => to.fulfill({ contentType: 'text/html', body: PERFETTO }));
  const page = await context.newPage();
  const said: string[] = [];
  page.on('console', (m) => ['error', 'warning'].includes(m.type()) && said.push(m.text()));
  page.on('pageerror', (error) => said.push(String(error)));
  // A file that is kept is no page's any more
  page.on('requestfailed', (r) => r.url().endsWith('/trace.json') || said.push(`${r.url()} failed`));
  page.on('request', (r) => /^data:/.test(r.url()) || r.url().startsWith(admin) || said.push(`asks ${r.url()}`));
  await page.goto(admin);
  await page.waitForSelector('[data-state="ready"]');
  await page.waitForSelector('.model[open] canvas');
  return { page, said };
}

/** Pixels of a plot that are not empty. */
const drawn = (page: Page, figure: string) =>
  page.locator(`${figure} canvas`).evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    let n = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) n++;
    return n;
  });

/** By keyboard alone, the model closes and opens; another of its Programs is chosen. */
async function chooseProgram(t: ExecutionContext, page: Page): Promise<void> {
  await page.locator('.model > summary').focus();
  await page.keyboard.press('Enter');
  t.is(await page.locator('.model[open]').count(), 0);
  await page.keyboard.press('Enter');
  await page.locator('.model[open] select').selectOption('1');
  // Inline styles that come by script are let in, those of markup are not
  await page.waitForFunction(() => {
    const [bar, select] = [document.querySelector('.share span'), document.querySelector<HTMLSelectElement>('select')];
    return bar && select?.value === '1' && Number.parseFloat(getComputedStyle(bar).width) > 1;
  });
}

/** A run's trace, as a file and by Perfetto, which gets no hold on this page. */
async function takeTrace(t: ExecutionContext, page: Page): Promise<void> {
  const [file] = await Promise.all([page.waitForEvent('download'), page.locator('#runs a').first().click()]);
  const trace = readFileSync(await file.path(), 'utf8');
  const { traceEvents, otherData } = JSON.parse(trace) as RunTraceFile;
  t.true(traceEvents.length > 4, trace);
  const button = page.locator('#runs button').first();
  const [perfetto] = await Promise.all([page.waitForEvent('popup'), button.click()]);
  await perfetto.waitForFunction((text) => document.title === text, `run ${otherData.run} ${trace.length} true`);
  await perfetto.close();
}

/** Nothing is too wide, nor a barrier to anybody; and a picture for people. */
async function look(t: ExecutionContext, page: Page, width: number, colorScheme: 'light' | 'dark'): Promise<void> {
  const name = `${width}-${colorScheme}`;
  await page.setViewportSize({ width, height: 900 });
  await page.emulateMedia({ colorScheme });
  await sleep(500);
  t.true((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0, `${name} is too wide`);
  const { violations } = await page.evaluate(() => (window as unknown as { axe: Axe }).axe.run());
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => `${n.html} ${n.failureSummary}`)}`);
  t.deepEqual(told, [], name);
  await page.screenshot({ path: join(folder, `dashboard-${name}.png`), fullPage: true });
}

inBrowser(`the page draws what the node has run, without an error or a barrier${why}`, async (t) => {
  t.timeout(180_000);
  mkdirSync(folder, { recursive: true });
  const { service, asking, admin } = await nodesThatRan();
  t.teardown(() => service.stop());
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  t.teardown(() => browser.close());
  const plan = (await (await fetch(`${admin}/models/small@1/programs/0`)).json()) as ProgramPlan;
  const { page, said } = await opened(browser, admin);
  t.is(await page.textContent('#node'), 'Party 0');
  t.is(await page.textContent('.costs dd >> nth=0'), String(plan.total.rounds));
  // As it happens
  const newest = () => page.locator('#runs th').first().textContent();
  const before = Number(await newest());
  await askSmall(asking);
  await page.waitForFunction((n) => Number(document.querySelector('#runs th')?.textContent) > n, before);
  t.is(await page.locator('#runs tr').first().locator('td').nth(2).textContent(), 'OK');
  // Two points make a line
  await sleep(2_500);
  for (const figure of ['#plot-phases', '#plot-queue', '#plot-pool', '#plot-traffic', '#plot-memory', '.inside figure'])
    t.true((await drawn(page, figure)) > 500, `${figure} is drawn`);
  const scraped = await (await fetch(`${admin}/metrics`)).text();
  const completed = [...scraped.matchAll(/^secformer_runs_total\{.*outcome="OK"\} (\d+)$/gm)].map(([, n]) => Number(n));
  t.is(await page.textContent('#tiles dd >> nth=0'), String(completed.reduce((a, b) => a + b)));
  await chooseProgram(t, page);
  await takeTrace(t, page);
  for (const width of [1280, 390]) for (const scheme of ['light', 'dark'] as const) await look(t, page, width, scheme);
  t.deepEqual(said, []);
  asking.close();
  await service.kill('party0');
  await page.waitForSelector('[data-state="wrong"]');
});
