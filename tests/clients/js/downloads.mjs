// Cases about bytes: snapshots, single files, parts of files, caches. Every file that arrives is compared by size and
// SHA-256 with the expectation, never with what the server says of it.

import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";

import { check, checkEqual, checkFile, checkFolder, defineCase, etagOf, hub, pick } from "./harness.mjs";

// A port that nothing listens on: what is asked of it fails.
const NOWHERE = "http://127.0.0.1:9";

defineCase("snapshot-whole", async (scene) => {
  const folder = await hub.snapshotDownload({ ...scene.at, cacheDir: scene.cache() });
  check(folder.endsWith(`${sep}snapshots${sep}${scene.commit}`), `the snapshot is filed as ${folder}`);
  await checkFolder(folder, scene.files);
});

defineCase("snapshot-again", async (scene) => {
  const cacheDir = scene.cache();
  const folder = await hub.snapshotDownload({ ...scene.at, cacheDir });
  for (const [name, entry] of Object.entries(scene.files)) {
    // By commit id the client asks nobody for what it has.
    const where = { ...scene.at, hubUrl: NOWHERE, cacheDir, path: name, revision: scene.commit };
    const path = await hub.downloadFileToCacheDir(where);
    checkEqual(`path of \`${name}\``, path, join(folder, name));
    await checkFile(path, name, entry);
  }
});

defineCase("snapshot-next-revision", async (scene) => {
  const [older, files] = Object.entries(scene.need("snapshots"))[0];
  const fetched = [];
  const counted = async (...call) => {
    const response = await fetch(...call);
    // The client asks for the first byte of a file to learn its size, and then for all of it.
    const probe = call[1]?.headers?.Range === "bytes=0-0";
    if (response.url.includes("/resolve/") && !probe) fetched.push(response.headers.get("etag"));
    return response;
  };
  const cacheDir = scene.cache();
  await getEach(scene, files, { cacheDir, revision: older, fetch: counted });
  const have = new Set(Object.values(files).map(etagOf));
  const fresh = [...new Set(Object.values(scene.files).map(etagOf))].filter((etag) => !have.has(etag));
  check(fresh.length > 0 && fetched.length > 0, "the two commits have the same content, or nothing was fetched");
  fetched.length = 0;
  await getEach(scene, scene.files, { cacheDir, revision: scene.commit, fetch: counted });
  checkEqual("content fetched for the head", fetched.sort(), fresh.map((etag) => `"${etag}"`).sort());
});

defineCase("file-kinds", async (scene) => {
  await fetchEach(scene, {
    "LFS file": (_, entry) => entry.lfs && entry.size > 0,
    "regular file": (name, entry) => !entry.lfs && entry.size > 0 && !name.includes("/"),
    "LFS file in a folder of a folder": (name, entry) => entry.lfs && name.split("/").length > 2,
  });
});

defineCase("file-empty", async (scene) => {
  await fetchEach(scene, { "empty file": (_, entry) => entry.size === 0 });
});

defineCase("file-revisions", async (scene) => {
  const revisions = { ...scene.need("branches"), ...scene.need("tags"), [scene.commit]: scene.commit };
  revisions[scene.commit.slice(0, 10)] = scene.commit;
  for (const commit of Object.keys(scene.need("snapshots"))) revisions[commit] = commit;
  for (const [revision, commit] of Object.entries(revisions)) {
    const files = scene.filesAt(commit);
    const path = "config.json";
    const blob = await hub.downloadFile({ ...scene.at, path, revision });
    const bytes = Buffer.from(await blob.arrayBuffer());
    checkEqual(`git id of \`${path}\` at \`${revision}\``, gitId(bytes), files[path].oid);
  }
});

defineCase("file-metadata", async (scene) => {
  for (const [path, entry] of Object.entries(scene.files)) {
    const info = await hub.fileDownloadInfo({ ...scene.at, path });
    checkEqual(`size of \`${path}\``, info.size, entry.size);
    checkEqual(`ETag of \`${path}\``, info.etag, `"${etagOf(entry)}"`);
    checkEqual(`Xet facts of \`${path}\``, info.xet, undefined);
    check(info.url.startsWith(scene.hubUrl + "/"), `\`${path}\` is to be fetched from ${info.url}`);
  }
});

defineCase("range-read", async (scene) => {
  const name = pick(scene.files, "LFS file", (_, entry) => entry.lfs && entry.size > 2000);
  const path = await hub.downloadFileToCacheDir({ ...scene.at, path: name, cacheDir: scene.cache() });
  await checkFile(path, name, scene.files[name]);
  const statuses = [];
  const counted = async (...call) => {
    const response = await fetch(...call);
    statuses.push([response.status, response.headers.get("content-range")]);
    return response;
  };
  const blob = await hub.downloadFile({ ...scene.at, path: name, fetch: counted });
  const part = Buffer.from(await blob.slice(1000, 1500).arrayBuffer());
  check(part.equals((await readFile(path)).subarray(1000, 1500)), "bytes 1000 to 1500 differ");
  const { size } = scene.files[name];
  checkEqual("answers", statuses, [[206, `bytes 0-0/${size}`], [206, `bytes 1000-1499/${size}`]]);
});

defineCase("cut-retried", async (scene) => {
  const name = Object.keys(scene.files).sort((a, b) => scene.files[b].size - scene.files[a].size)[0];
  const where = { ...scene.at, path: name, revision: scene.commit, cacheDir: scene.cache() };
  let failures = 0;
  for (;;) {
    try {
      await checkFile(await hub.downloadFileToCacheDir(where), name, scene.files[name]);
      break;
    } catch (error) {
      failures += 1;
      check(failures < 5, `the download failed ${failures} times: ${error.stack}`);
      const names = await readdir(where.cacheDir, { recursive: true });
      const whole = names.filter((name) => name.endsWith(scene.files[name]?.sha256 ?? "\0"));
      checkEqual("files that pass for the whole one", whole, []);
    }
  }
  check(failures > 0, "the transfer was not cut");
});

defineCase("renamed", async (scene) => {
  const name = "config.json";
  for (const alias of scene.need("aliases")) {
    const blob = await hub.downloadFile({ ...scene.at, repo: { ...scene.repo, name: alias }, path: name });
    const bytes = Buffer.from(await blob.arrayBuffer());
    checkEqual(`git id of \`${name}\` behind \`${alias}\``, gitId(bytes), scene.files[name].oid);
    const info = await hub.modelInfo({ hubUrl: scene.hubUrl, name: alias, additionalFields: ["sha"] });
    checkEqual(`repository behind \`${alias}\``, [info.name, info.sha], [scene.name, scene.commit]);
  }
});

/** Downloads files by commit id, but those whose path the client cannot ask for. */
async function getEach(scene, files, options) {
  for (const [path, entry] of Object.entries(files)) {
    if (/[#%?]/.test(path)) continue;
    await checkFile(await hub.downloadFileToCacheDir({ ...scene.at, ...options, path }), path, entry);
  }
}

async function fetchEach(scene, kinds) {
  for (const [what, wanted] of Object.entries(kinds)) {
    const name = pick(scene.files, what, wanted);
    const cacheDir = scene.cache();
    const path = await hub.downloadFileToCacheDir({ ...scene.at, path: name, revision: scene.commit, cacheDir });
    await checkFile(path, name, scene.files[name]);
    check(path.endsWith(join("snapshots", scene.commit, name)), `\`${name}\` was filed as ${path}`);
    const blobs = await readdir(join(cacheDir, `${scene.repo.type}s--${scene.name.replaceAll("/", "--")}`, "blobs"));
    checkEqual(`cache name of \`${name}\``, blobs, [etagOf(scene.files[name])]);
  }
}

function gitId(bytes) {
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
