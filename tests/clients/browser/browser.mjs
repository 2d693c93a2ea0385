// A real browser that reaches this machine only, and the record of what it did. It knows no page of Acervo.
//
// A script imports `visit` and hands it what to do. Its one argument is the task, as JSON; what it prints is JSON too:
// `{found, requests, complaints}`, where `found` is whatever the script returned.

import { createRequire } from "node:module";
import { join } from "node:path";
import { argv, env, stdout } from "node:process";

/** What drives the browser, as npm installed it. */
const { chromium } = createRequire(join(env.ACERVO_TEST_BROWSER ?? ".", "package.json"))("playwright-core");

/** Longest wait for anything on a page: the machine may be busy. */
const PATIENCE_MS = 60_000;

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // What a page asks of anybody else fails, and stands in the record.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
];

/**
 * Runs `work` on a fresh page of a fresh profile, and prints what it returned and what the browser did meanwhile.
 *
 * `work` gets `page` (of playwright), `context` (for further pages), `task` (the argument of the script) and
 * `shoot(name)`, which keeps a picture of the page in the folder `ACERVO_TEST_PICTURES`, if that is set. `options` are
 * those of a browser context: `colorScheme`, `locale`, `viewport`.
 */
export async function visit(work, options = {}) {
  const task = JSON.parse(argv[2] ?? "{}");
  const browser = await chromium.launch({ executablePath: env.ACERVO_TEST_CHROMIUM, args: FLAGS, headless: true });
  try {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options, ...task.context });
    context.setDefaultTimeout(PATIENCE_MS);
    const record = recordOf(context);
    const page = await context.newPage();
    const shoot = (name) => picture(page, name);
    let found;
    try {
      found = await work({ page, context, task, shoot });
    } catch (error) {
      await shoot("failed");
      throw new Error(`${error.stack}\n\nthe browser's record: ${JSON.stringify(record, null, 1)}`);
    }
    stdout.write(JSON.stringify({ found: found ?? null, ...record }));
  } finally {
    await browser.close();
  }
}

/** Every request of every page with its status, and everything that a developer would see as an error. */
function recordOf(context) {
  const requests = [];
  const complaints = [];
  const known = new Map();
  context.on("request", (request) => {
    const entry = { method: request.method(), url: request.url(), type: request.resourceType(), status: null };
    known.set(request, entry);
    requests.push(entry);
  });
  context.on("response", (response) => {
    const entry = known.get(response.request());
    if (entry) entry.status = response.status();
  });
  context.on("requestfailed", (request) => {
    complaints.push(`${request.method()} ${request.url()} failed: ${request.failure()?.errorText}`);
  });
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`);
  });
  context.on("weberror", (error) => complaints.push(`uncaught: ${error.error()?.stack ?? error.error()}`));
  return { requests, complaints };
}

async function picture(page, name) {
  if (env.ACERVO_TEST_PICTURES) await page.screenshot({ path: join(env.ACERVO_TEST_PICTURES, `${name}.png`) });
}
