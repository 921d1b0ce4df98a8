/** The dashboard in a real browser, at nodes that have run something; skipped where there is no Chromium. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { type Browser, chromium, type Page } from 'playwright-core';
import { Asking, Session } from '../../src/index.js';
import { dialSocket, startLocalService } from '../../src/node.js';
import type { ProgramPlan } from '../../src/operation/dashboard/program-plan.js';
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

interface AxeResults {
  violations: { id: string; nodes: { html: string; failureSummary?: string }[] }[];
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

/** Loads the page, and waits until it has drawn what a second or two tell. */
async function opened(browser: Browser, admin: string, width: number, colorScheme: 'light' | 'dark') {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
  // Not through the page, which lets no other script in
  await context.addInitScript({ path: AXE });
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
  return { page, said, close: () => context.close() };
}

/** Pixels of a plot that are not empty. */
const drawn = (page: Page, figure: string) =>
  page.locator(`${figure} canvas`).evaluate((canvas: HTMLCanvasElement) => {
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    let n = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) n++;
    return n;
  });

inBrowser(`the page draws what the node has run, without an error or a barrier${why}`, async (t) => {
  t.timeout(180_000);
  mkdirSync(folder, { recursive: true });
  const { service, asking, admin } = await nodesThatRan();
  t.teardown(() => service.stop());
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'] });
  t.teardown(() => browser.close());
  const plan = (await (await fetch(`${admin}/models/small@1/programs/0`)).json()) as ProgramPlan;
  for (const [width, scheme] of [
    [1280, 'light'],
    [1280, 'dark'],
    [390, 'light'],
    [390, 'dark'],
  ] as const) {
    const { page, said, close } = await opened(browser, admin, width, scheme);
    if (width === 1280 && scheme === 'light') {
      // As it happens
      await askSmall(asking);
      await page.waitForFunction((n) => document.querySelectorAll('#runs tr').length >= n, ASKS + 2);
      await sleep(2_000);
      for (const figure of [
        '#plot-phases',
        '#plot-queue',
        '#plot-pool',
        '#plot-traffic',
        '#plot-memory',
        '.inside figure',
      ])
        t.true((await drawn(page, figure)) > 500, `${figure} is drawn`);
      t.is(await page.textContent('.costs dd >> nth=0'), String(plan.total.rounds));
      t.is(await page.textContent('#node'), 'Party 0');
      t.is(await page.locator('#runs tr').first().locator('td').nth(2).textContent(), 'OK');
      // By keyboard alone: past the list of runs to the model, which closes and opens
      await page.locator('.model > summary').focus();
      await page.keyboard.press('Enter');
      t.is(await page.locator('.model[open]').count(), 0);
      await page.keyboard.press('Enter');
      await page.locator('.model[open] select').selectOption('1');
      await page.waitForFunction(() => document.querySelector<HTMLSelectElement>('.model select')?.value === '1');
      // Inline styles that come by script are let in, those of markup are not
      const width = await page
        .locator('.share span')
        .first()
        .evaluate((bar) => getComputedStyle(bar).width);
      t.true(Number.parseFloat(width) > 1);
      const [file] = await Promise.all([page.waitForEvent('download'), page.locator('#runs a').first().click()]);
      t.true(JSON.parse(readFileSync(await file.path(), 'utf8')).traceEvents.length > 4);
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    t.true(overflow <= 0, `${width} ${scheme}: ${overflow} pixels too wide`);
    const { violations } = await page.evaluate(() =>
      (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run(),
    );
    t.deepEqual(
      violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => `${n.html} ${n.failureSummary}`).join('; ')}`),
      [],
      `${width} ${scheme}`,
    );
    await page.screenshot({ path: join(folder, `dashboard-${width}-${scheme}.png`), fullPage: true });
    t.deepEqual(said, [], `${width} ${scheme}`);
    await close();
  }
  asking.close();
});
