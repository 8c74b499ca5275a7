#!/usr/bin/env node
// Drives the dashboard in headless Chromium, on a run that goes on meanwhile.
//
//     cargo build -p autodidact && cargo build -p autodidact-dashboard --example hostile_run
//     node scripts/check_dashboard.mjs target/debug [--chromium /usr/bin/chromium] [--shots DIR]
//
// Makes a throw-away directory and installs `playwright-core` from npm there (no browser with it; Debian
// has one in the package `chromium`). Starts `autodidact run` with the tests' tiny model and `autodidact ui`
// beside it, and then:
//
// - clicks through every page, follows every filter, and looks at the browser's console for errors;
// - pauses the run with the button, sees that it stands still, lets it go on, and stops it;
// - marks a rationale bad and finds the mark again after loading the page anew;
// - opens every page of a run in whose questions, rationales, names, ids and meta data two hundred scripts
//   stand, and asks the browser whether any of them ran;
// - with --shots, takes a picture of every page at 1280 and 390 pixels, light and dark, to be looked at.
//
// Prints one line a check and ends with 1 if one fails.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

function options() {
  const [binaries, ...rest] = process.argv.slice(2);
  const value = (name, usual) => {
    const at = rest.indexOf(name);
    return at < 0 ? usual : rest[at + 1];
  };
  if (!binaries || binaries.startsWith('--')) {
    console.error('usage: check_dashboard.mjs DIRECTORY-OF-BINARIES [--chromium PATH] [--shots DIR]');
    process.exit(2);
  }
  return {
    binaries: resolve(binaries),
    chromium: value('--chromium', '/usr/bin/chromium'),
    shots: value('--shots', null),
  };
}

let failed = 0;
function check(name, good, found = '') {
  console.log(`${good ? 'ok ' : 'NO '} ${name}${good ? '' : `: ${found}`}`);
  failed += good ? 0 : 1;
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, seconds = 120) {
  for (let tries = 0; tries < seconds * 4; tries += 1) {
    const found = await what();
    if (found) return found;
    await sleep(250);
  }
  return null;
}

/** Playwright without a browser, installed into `directory`. */
function playwright(directory) {
  writeFileSync(join(directory, 'package.json'), '{"private":true}');
  const environment = { ...process.env, PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: '1' };
  execFileSync('npm', ['install', '--no-audit', '--no-fund', 'playwright-core'], {
    cwd: directory, env: environment, stdio: ['ignore', 'ignore', 'inherit'],
  });
  return createRequire(join(directory, 'x.js'))('playwright-core');
}

/** A task that the tiny model solves by luck, and enough of it to watch. */
function writeTask(directory) {
  const line = (i, split) => JSON.stringify({
    id: `${split}-${i}`, question: `${i} + ${i}?`, answer: ['.*', '.*e.*', '.*q.*'][i % 3], digits: `${1 + (i % 3)}`,
  });
  const lines = (n, split) => Array.from({ length: n }, (_, i) => line(i, split)).join('\n');
  writeFileSync(join(directory, 'train.jsonl'), lines(90, 'train'));
  writeFileSync(join(directory, 'evaluate.jsonl'), lines(60, 'held-out'));
  writeFileSync(
    join(directory, 'examples.toml'),
    '[[example]]\nquestion = "1?"\nrationale = "a b c"\nanswer = ".*"\n',
  );
  writeFileSync(join(directory, 'spec.toml'), `
[run]
name = "live"
iterations = 400
[task]
train = "train.jsonl"
evaluate = "evaluate.jsonl"
verify = "regex"
decontaminate = "keep"
[task.prompt]
before_question = "Q "
before_answer = " A"
completion_lead = " "
separator = "\\n\\n"
hint = " <{hint}>"
hint_place = "after-question"
stop = ["\\n\\n"]
[student]
model = ["${ROOT}/crates/engine/tests/golden/tiny.gguf"]
examples = "examples.toml"
few_shot = 1
[sample]
per_problem = 6
temperature = 1.2
max_tokens = 24
batch = 4
[rationalize]
per_problem = 4
temperature = 1.2
[select]
minimum = 1
[select.refuse]
no_reasoning = false
duplicate_reasoning = false
[train]
rank = 4
steps = { first = 60, growth = 1.0 }
batch = 4
learning_rate = 1e-2
[stop]
patience = 0
`);
}

/** Starts a program and ends it with this one. */
function start(command, parameters, directory, children) {
  const child = spawn(command, parameters, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  child.text = '';
  const keep = (data) => { child.text = (child.text + data).slice(-20000); };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  child.ended = new Promise((done) => child.on('exit', (code) => { child.code = code; done(code); }));
  children.push(child);
  return child;
}

const PAGES = ['', '/loops', '/problems', '/models', '/difficulty', '/training'];

/** Every page by its link, and every filter. */
async function clickThrough(page, url) {
  await page.goto(url);
  await page.click('a[href="/runs/live"]');
  check('a run is shown live', await page.locator('#live .facts').isVisible());
  for (const name of ['Loops', 'Problems', 'Models', 'Difficulty', 'Training texts']) {
    await page.click(`.tabs a:text-is("${name}")`);
    const title = await page.locator('h1').innerText();
    const shown = await page.locator('main').innerText();
    check(`page ${name}`, title.length > 0 && !shown.includes('cannot be'), title);
  }
  // On a run that stands still, where counts and rows must agree.
  for (const split of ['Training', 'Held out']) {
    await page.goto(`${url}runs/made-up/problems`);
    await page.click(`.filters a:text-is("${split}")`);
    const filters = page.locator('nav[aria-label="Filter"] a');
    for (let i = 0; i < await filters.count(); i += 1) {
      const text = await filters.nth(i).innerText();
      const count = Number(text.trim().split(/\s+/).pop().replace(',', ''));
      await filters.nth(i).click();
      const rows = await page.locator('ul.problems > li').count();
      check(`filter ${split}, ${text.trim()}`, Math.min(count, 50) === rows, `${rows} rows`);
    }
  }
  await page.goto(`${url}runs/live/problems`);
  await page.locator('ul.problems > li > a').first().click();
  check('a problem has answers', await page.locator('article.entry').count() > 0);
  await page.goto(`${url}compare`);
  await page.click('button');
  check('a run compared with itself', (await page.locator('main').innerText()).length > 100);
}

const position = async (page) => page.locator('#live').innerText();

async function pauseAndResume(page, url) {
  await page.goto(`${url}runs/live`);
  const before = await position(page);
  const moved = await until(async () => (await position(page)) !== before, 30);
  check('the panel is renewed without loading the page', moved);
  await page.click('button:text-is("Pause")');
  const paused = await until(() => page.locator('#live .badge.paused').isVisible(), 30);
  check('the run pauses', paused, await position(page));
  await sleep(2500); // What was under way when it paused still arrives.
  const still = await position(page);
  await sleep(3000);
  check('a paused run stands still', (await position(page)) === still, still);
  await page.click('button:text-is("Go on")');
  const goes = await until(() => page.locator('#live .badge.running').isVisible(), 30);
  check('the run goes on', goes, await position(page));
}

async function mark(page, url) {
  await page.goto(`${url}runs/live/problems`);
  await page.locator('ul.problems > li > a').first().click();
  const address = page.url();
  const first = page.locator('article.entry').first();
  await first.locator('button:text-is("Bad")').click();
  const pressed = () => page.locator('article.entry').first()
    .locator('button:text-is("Bad")[aria-pressed]').count();
  check('a mark is shown at once', await until(async () => (await pressed()) === 1, 20));
  check('the page was not left', page.url() === address, page.url());
  await page.reload();
  check('a mark is kept', (await pressed()) === 1);
  await page.locator('article.entry').first().locator('button:text-is("No mark")').click();
  check('a mark is taken away', await until(async () => (await pressed()) === 0, 20));
}

/** Pages of the run full of scripts. */
async function scripts(page, url) {
  let opened = 0;
  let ran = 0;
  const paths = PAGES.map((path) => `runs/sums${path}`).concat(
    ['', 'compare?a=sums&b=sums', 'runs/sums/problems?split=evaluate'],
    Array.from({ length: 80 }, (_, i) => `runs/sums/problems/${i + 1}`),
  );
  let shown = 0;
  for (const path of paths) {
    await page.goto(url + path);
    await page.mouse.move(200, 300);
    await sleep(60);
    opened += 1;
    const found = await page.evaluate(() => ({
      hacked: Boolean(window.hacked) || document.title === 'hacked',
      // What stands in the page as text, and what became an element.
      shown: (document.documentElement.innerHTML.match(/hacked/g) || []).length,
      elements: document.querySelectorAll(
        'iframe,img,math,base,body [onload],[onerror],[ontoggle],[onfocus],[hx-get],script:not([src^="/assets/"])',
      ).length,
    }));
    shown += found.shown;
    ran += found.hacked || found.elements ? 1 : 0;
    if (found.hacked || found.elements) console.log(`   ${path}`, found);
  }
  check(`200 scripts on ${opened} pages, shown ${shown} times, executed`, ran === 0 && shown > 2000, ran);
}

async function pictures(browser, url, directory) {
  mkdirSync(directory, { recursive: true });
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 390]) {
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme });
      const page = await context.newPage();
      for (const run of ['live', 'made-up']) {
        for (const path of [...PAGES, '/problems/2']) {
          await page.goto(`${url}runs/${run}${path}`);
          await sleep(150);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          check(`${run}${path} fits ${width} pixels`, wide <= width, `${wide}`);
          const name = `${run}${path.replaceAll('/', '-')}-${width}-${colorScheme}.png`;
          await page.screenshot({ path: join(directory, name), fullPage: true });
        }
      }
      for (const path of ['', 'compare?a=made-up&b=sums']) {
        await page.goto(url + path);
        const name = `${path.split('?')[0] || 'runs'}-${width}-${colorScheme}.png`;
        await page.screenshot({ path: join(directory, name), fullPage: true });
      }
      await context.close();
    }
  }
}

async function main() {
  const { binaries, chromium, shots } = options();
  const directory = mkdtempSync(join(tmpdir(), 'check-dashboard-'));
  const children = [];
  let context;
  try {
    const { chromium: driver } = playwright(directory);
    writeTask(directory);
    for (const kind of ['hostile', 'plain']) {
      execFileSync(join(binaries, 'examples/hostile_run'), [join(directory, 'runs'), kind]);
    }
    const program = join(binaries, 'autodidact');
    const run = start(program, ['run', 'spec.toml', '--threads', '1'], directory, children);
    const ui = start(program, ['ui', '--port', '0', '--output', 'json'], directory, children);
    const url = await until(() => ui.text.match(/http:\/\/[^"\s]+/)?.[0], 60);
    check('the dashboard starts', url, ui.text);
    context = await driver.launchPersistentContext(mkdtempSync(join(directory, 'profile-')), {
      executablePath: chromium, args: FLAGS, viewport: { width: 1280, height: 900 },
    });
    const page = await context.newPage();
    const complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    const sampled = await until(async () => {
      await page.goto(`${url}runs/live/training`).catch(() => null);
      return (await page.locator('.tokens').count()) > 0;
    });
    check('the run trains', sampled, run.text);
    await clickThrough(page, url);
    await pauseAndResume(page, url);
    await mark(page, url);
    await scripts(page, url);
    check('the browser has nothing to complain about', complaints.length === 0, complaints.slice(0, 5).join('; '));
    if (shots) await pictures(context.browser() ?? await driver.launch({ executablePath: chromium, args: FLAGS }), url, resolve(shots));
    await page.goto(`${url}runs/live`);
    await page.click('button:text-is("Stop")');
    const code = await Promise.race([run.ended, sleep(60000)]);
    check('the run stops and can go on', code === 130, `${code}\n${run.text}`);
  } finally {
    await context?.close();
    for (const child of children) if (child.code === undefined) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  }
  console.log(failed === 0 ? 'all checks passed' : `${failed} checks failed`);
  process.exit(failed === 0 ? 0 : 1);
}

await main();
