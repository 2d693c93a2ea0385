// `@huggingface/hub` in a page of another origin than the hub's: everything it is told, it is told across origins.
//
// The task names the hub (`hub`), one that lets nobody else's pages read (`closed`), and what is there; what the page
// saw is returned, and judged by the caller.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join, normalize } from "node:path";

import { visit } from "./browser.mjs";

const MODULES = join(process.env.ACERVO_TEST_NODE ?? ".", "node_modules");

/** Bare names of modules, as the library and what it needs import them. */
const IMPORTS = {
  "@huggingface/hub": "/modules/@huggingface/hub/dist/browser/index.mjs",
  "@huggingface/xetchunk-wasm": "/modules/@huggingface/xetchunk-wasm/dist/esm/index.js",
  "@huggingface/blake3-jit": "/modules/@huggingface/blake3-jit/dist/esm/index.js",
  "gearhash-jit": "/modules/gearhash-jit/dist/esm/index.js",
};

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Elsewhere</title><link rel="icon" href="data:,">
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<script type="module">import * as hub from "@huggingface/hub"; globalThis.hub = hub;</script></head><body></body></html>`;

/** Serves the page and the library, and knows no hub. */
async function elsewhere() {
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, "http://page").pathname);
    if (!path.startsWith("/modules/")) {
      response.setHeader("content-type", "text/html").end(PAGE);
      return;
    }
    try {
      const text = await readFile(join(MODULES, path.slice("/modules/".length)));
      response.setHeader("content-type", "text/javascript").end(text);
    } catch (error) {
      response.writeHead(404).end(String(error));
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

const { server, origin } = await elsewhere();
try {
  await visit(async ({ page, task }) => {
    await page.goto(origin);
    await page.waitForFunction(() => globalThis.hub !== undefined);
    return { origin, ...(await page.evaluate(inPage, task)) };
  });
} finally {
  server.closeAllConnections();
  server.close();
}

/** Runs in the page: nothing from outside of it is known here but the task. */
async function inPage(task) {
  const { hub } = globalThis;
  const hubUrl = task.hub;
  const all = async (iterator) => {
    const items = [];
    for await (const item of iterator) items.push(item);
    return items;
  };
  const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const sha256 = async (blob) => hex(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  const refusal = async (call) => {
    try {
      return { returned: await call() };
    } catch (error) {
      return { name: error.constructor.name, status: error.statusCode ?? null, message: error.message, id: error.requestId ?? null };
    }
  };

  /** Listing, metadata and contents of a repository, to one who brings this token or none. */
  const reading = async (name, accessToken) => {
    const at = { repo: { type: "model", name }, hubUrl, accessToken };
    const entries = await all(hub.listFiles({ ...at, recursive: true }));
    const files = {};
    for (const { path } of entries.filter((entry) => entry.type === "file")) {
      const info = await hub.fileDownloadInfo({ ...at, path });
      const blob = await hub.downloadFile({ ...at, path });
      const part = blob.slice(100, 160);
      files[path] = {
        size: info.size,
        etag: info.etag,
        xet: info.xet !== undefined,
        fetched_from: new URL(info.url).origin,
        sha256: await sha256(blob),
        part: hex(await part.arrayBuffer()),
      };
    }
    const info = await hub.modelInfo({ name, hubUrl, accessToken, additionalFields: ["sha", "tags"] });
    return { files, info: { name: info.name, sha: info.sha, private: info.private } };
  };

  const model = { type: "model", name: task.open };
  const headers = {};
  for (const [what, path, init] of [
    ["file", `/${task.open}/resolve/main/${task.file}`, { headers: { Range: "bytes=1-2", Accept: "application/json" } }],
    ["lfs", `/${task.open}/resolve/main/${task.lfs}`, {}],
    ["missing", `/${task.open}/resolve/main/nowhere`, {}],
    ["list", "/api/models?limit=1&search=tiny", {}],
    ["log", `/api/models/${task.open}/commits/main?limit=1`, {}],
  ]) {
    const response = await fetch(hubUrl + path, init);
    await response.arrayBuffer();
    headers[what] = { status: response.status, ...Object.fromEntries(response.headers) };
  }
  return {
    open: await reading(task.open),
    secret: await reading(task.secret, task.token),
    renamed: (await hub.modelInfo({ name: task.open.toUpperCase(), hubUrl })).name,
    paged: (await all(hub.listFiles({ repo: { type: "dataset", name: task.many }, hubUrl, recursive: true }))).length,
    listed: (await all(hub.listModels({ hubUrl, search: { owner: "acme" }, limit: 10 }))).map((entry) => entry.name).sort(),
    by_json: (await hub.pathsInfo({ repo: model, hubUrl, paths: [task.lfs], expand: true })).map((entry) => entry.lfs.oid),
    whoami: (await hub.whoAmI({ accessToken: task.token, hubUrl })).name,
    headers,
    refused: {
      missing_repo: await refusal(() => hub.modelInfo({ name: "acme/nowhere", hubUrl })),
      missing_revision: await refusal(() => all(hub.listFiles({ repo: model, hubUrl, revision: "nowhere" }))),
      missing_file: await refusal(() => hub.downloadFile({ repo: model, hubUrl, path: "nowhere" })),
      hidden: await refusal(() => hub.modelInfo({ name: task.secret, hubUrl })),
      wrong_token: await refusal(() => hub.modelInfo({ name: task.open, hubUrl, accessToken: task.wrong })),
      closed: await refusal(() => hub.modelInfo({ name: task.open, hubUrl: task.closed })),
    },
  };
}
