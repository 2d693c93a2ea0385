// What every case is built from: the client, the expectation, the checks. It knows no single call of the client.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { isDeepStrictEqual } from "node:util";

/** The client under test, as npm installed it; `ACERVO_TEST_NODE` is the folder that holds `node_modules`. */
export const hub = createRequire(join(process.env.ACERVO_TEST_NODE ?? ".", "package.json"))("@huggingface/hub");

/** The server is not what the case demands. */
export class Failure extends Error {}

export function check(holds, message) {
  if (!holds) throw new Failure(message);
}

export function checkEqual(what, seen, expected) {
  if (!isDeepStrictEqual(seen, expected)) {
    throw new Failure(`${what} is ${JSON.stringify(seen)}, expected ${JSON.stringify(expected)}`);
  }
}

/** Fails unless `call` ends in the client's own error, with this status; returns the error. */
export async function checkRefused(what, status, call) {
  let outcome;
  try {
    outcome = await call();
  } catch (error) {
    check(error instanceof hub.HubApiError, `${what} threw ${error.stack}, expected a HubApiError`);
    checkEqual(`status of ${what}`, error.statusCode, status);
    // A HEAD has no body, so nothing but the status tells.
    check(error.message.length > 10, `${what} gives no reason: ${error.message}`);
    return error;
  }
  throw new Failure(`${what} returned ${JSON.stringify(outcome)}, expected status ${status}`);
}

export async function sha256Of(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

export async function checkFile(path, name, entry) {
  checkEqual(`size of \`${name}\``, (await stat(path)).size, entry.size);
  checkEqual(`sha256 of \`${name}\``, await sha256Of(path), entry.sha256);
}

/** Fails unless the folder holds exactly these files, byte for byte. */
export async function checkFolder(folder, files) {
  const found = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isDirectory()) found.push(relative(folder, join(entry.parentPath ?? entry.path, entry.name)));
  }
  checkEqual(`files in \`${folder}\``, found.sort(), Object.keys(files).sort());
  for (const name of found) await checkFile(join(folder, name), name, files[name]);
}

/** The first path of that sort; a fixture without one fails the case, which would prove nothing. */
export function pick(files, what, wanted) {
  const name = Object.keys(files).sort().find((name) => wanted(name, files[name]));
  check(name !== undefined, `the expected files have no ${what}`);
  return name;
}

/** What the hub names the entry's content by: sha256 for LFS files, the git blob id for others. */
export const etagOf = (entry) => (entry.lfs ? entry.sha256 : entry.oid);

/** Everything of an async iterator. */
export async function all(iterator) {
  const items = [];
  for await (const item of iterator) items.push(item);
  return items;
}

/** What a case gets: where the server is, what it must show, and a folder of its own. */
export class Scene {
  constructor(expect, home) {
    this.expect = expect;
    this.home = home;
    this.hubUrl = process.env.HF_ENDPOINT;
    this.caches = 0;
  }

  static async open(name, label) {
    const scenes = JSON.parse(await readFile(process.env.EXPECT, "utf8"));
    check(name in scenes, `the expectation states no scene \`${name}\``);
    const home = join(process.env.HF_HOME, label.replace(/[^a-z0-9]/g, "-"));
    await mkdir(home, { recursive: true });
    return new Scene(scenes[name], home);
  }

  get name() {
    return this.expect.repo;
  }

  get repo() {
    return { type: this.expect.repo_type ?? "model", name: this.expect.repo };
  }

  get files() {
    const files = this.need("files");
    check(Object.keys(files).length > 0, "the expectation states no files, so the case would prove nothing");
    return files;
  }

  get commit() {
    return this.need("commit");
  }

  /** What every call of the client is given. */
  get at() {
    return { hubUrl: this.hubUrl, repo: this.repo };
  }

  need(key) {
    check(key in this.expect, `the expectation does not state \`${key}\`, which this case needs`);
    return this.expect[key];
  }

  filesAt(commit) {
    return commit === this.commit ? this.files : this.need("snapshots")[commit];
  }

  /** A cache folder that nothing is in. */
  cache() {
    this.caches += 1;
    return join(this.home, `cache-${this.caches}`);
  }
}

export const CASES = new Map();

/** Registers a case. */
export function defineCase(name, run) {
  check(!CASES.has(name), `two cases are called \`${name}\``);
  CASES.set(name, run);
}
