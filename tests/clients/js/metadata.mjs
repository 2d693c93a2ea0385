// Cases about what the API says of repositories: info, trees, paths, commits, lists, headers of tensors.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { all, check, checkEqual, defineCase, hub, pick } from "./harness.mjs";

const POINTER = (entry) =>
  `version https://git-lfs.github.com/spec/v1\noid sha256:${entry.sha256}\nsize ${entry.size}\n`.length;

defineCase("repo-info", async (scene) => {
  const info = await infoOf(scene, undefined);
  checkEqual("name and sha", [info.name, info.sha], [scene.name, scene.commit]);
  checkEqual("files", info.filePaths.sort(), Object.keys(scene.files).sort());
  checkEqual("`private`, `gated`", [info.private, info.gated ?? false], [false, false]);
  check(/^[0-9a-f]{24}$/.test(info.id), `the id is ${info.id}`);
  check(info.updatedAt instanceof Date && !Number.isNaN(info.updatedAt.getTime()), "`updatedAt` is no time");
});

defineCase("repo-info-described", async (scene) => {
  const expected = scene.need("info");
  const fields = ["tags", "library_name", "cardData"];
  const info = await hub.modelInfo({ hubUrl: scene.hubUrl, name: scene.name, additionalFields: fields });
  checkEqual("task and library", [info.task, info.library_name], [expected.pipeline_tag, expected.library_name]);
  checkEqual("tags that are lacking", expected.tags.filter((tag) => !info.tags.includes(tag)), []);
  for (const [key, value] of Object.entries(expected.card_data)) checkEqual(`\`${key}\``, info.cardData[key], value);
});

defineCase("repo-info-revisions", async (scene) => {
  const revisions = { ...scene.need("branches"), ...scene.need("tags"), [scene.commit]: scene.commit };
  for (const [revision, commit] of Object.entries(revisions)) {
    const info = await infoOf(scene, revision);
    checkEqual(`sha of \`${revision}\``, info.sha, commit);
    checkEqual(`files of \`${revision}\``, info.filePaths.sort(), Object.keys(scene.filesAt(commit)).sort());
  }
});

defineCase("tree-recursive", async (scene) => {
  await checkTree(scene, { recursive: true }, scene.files, foldersOf(scene.files));
  // The client puts revisions into the address as they are, slashes too.
  for (const [revision, commit] of Object.entries(scene.need("branches"))) {
    const files = scene.filesAt(commit);
    await checkTree(scene, { recursive: true, revision }, files, foldersOf(files));
  }
});

defineCase("tree-shallow", async (scene) => {
  const top = Object.fromEntries(Object.entries(scene.files).filter(([name]) => !name.includes("/")));
  const folders = foldersOf(scene.files);
  check(folders.size > 0, "the expected files are in no folder, so the case would prove nothing");
  await checkTree(scene, {}, top, new Set([...folders].filter((name) => !name.includes("/"))));
  const folder = pick(scene.files, "file in a folder of a folder", (name) => name.split("/").length > 2).split("/")[0];
  const below = Object.fromEntries(Object.entries(scene.files).filter(([name]) => name.startsWith(`${folder}/`)));
  const inner = new Set([...folders].filter((name) => name.startsWith(`${folder}/`)));
  await checkTree(scene, { path: folder, recursive: true }, below, inner);
});

defineCase("tree-paged", async (scene) => {
  const pages = [];
  const counted = async (...call) => {
    const response = await fetch(...call);
    pages.push(response.url);
    return response;
  };
  await checkTree(scene, { recursive: true, fetch: counted }, scene.files, foldersOf(scene.files));
  check(pages.length > 1, "the tree came in one page; the fixture needs more entries");
});

defineCase("paths-info", async (scene) => {
  const missing = ["no/such/file.bin", "nothing here"];
  const seen = await hub.pathsInfo({ ...scene.at, paths: [...Object.keys(scene.files), ...missing] });
  checkEqual("paths", seen.map(facts), Object.keys(scene.files).sort().map((name) => factsOf(name, scene.files[name])));
  checkEqual("info of missing paths", await hub.pathsInfo({ ...scene.at, paths: missing }), []);
});

defineCase("commits", async (scene) => {
  const seen = await all(hub.listCommits({ ...scene.at }));
  checkEqual("commits", seen.map(({ oid, title }) => ({ id: oid, title })), scene.need("commits"));
  check(seen.every(({ date }) => date instanceof Date && !Number.isNaN(date.getTime())), "a commit has no time");
});

defineCase("existence", async (scene) => {
  const nowhere = { ...scene.repo, name: `${scene.name}-nowhere` };
  const name = pick(scene.files, "LFS file", (_, entry) => entry.lfs);
  const seen = {
    repo: await hub.repoExists({ ...scene.at }),
    "other repo": await hub.repoExists({ ...scene.at, repo: nowhere }),
    file: await hub.fileExists({ ...scene.at, path: name }),
    "other file": await hub.fileExists({ ...scene.at, path: "nowhere.bin" }),
    "file at other revision": await hub.fileExists({ ...scene.at, path: name, revision: "nowhere" }),
  };
  checkEqual("existence", seen, Object.fromEntries(Object.keys(seen).map((key) => [key, !key.includes("other")])));
});

defineCase("lists", async (scene) => {
  const calls = { models: hub.listModels, datasets: hub.listDatasets, spaces: hub.listSpaces };
  for (const { kind, args, ids } of scene.need("lists")) {
    const search = { query: args.search, owner: args.author, tags: args.filter };
    for (const key of Object.keys(search)) if (search[key] === undefined) delete search[key];
    const limit = args.limit === undefined ? {} : { limit: args.limit };
    const items = await all(calls[kind]({ hubUrl: scene.hubUrl, search, ...limit }));
    checkEqual(`list of ${kind} by ${JSON.stringify(args)}`, items.map((item) => item.name).sort(), [...ids].sort());
  }
});

defineCase("safetensors-metadata", async (scene) => {
  for (const model of scene.need("models")) {
    const repo = { type: "model", name: model.repo };
    const seen = await hub.parseSafetensorsMetadata({ hubUrl: scene.hubUrl, repo });
    const headers = seen.sharded ? seen.headers : { "model.safetensors": seen.header };
    for (const [shard, header] of Object.entries(headers)) {
      checkEqual(`header of \`${shard}\` of \`${model.repo}\``, plain(header), plain(await headerOf(model, shard)));
    }
    check(Object.keys(headers).length > 0, `no shard of \`${model.repo}\` was seen`);
  }
});

async function headerOf(model, shard) {
  const bytes = await readFile(join(model.generated_dir, shard));
  return JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
}

/** A header without its free text, in one order. */
function plain({ __metadata__, ...tensors }) {
  return Object.fromEntries(Object.entries(tensors).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function infoOf(scene, revision) {
  const call = { model: hub.modelInfo, dataset: hub.datasetInfo, space: hub.spaceInfo }[scene.repo.type];
  const siblings = scene.repo.type === "model" ? "filePaths" : "siblings";
  const asked = { hubUrl: scene.hubUrl, name: scene.name, additionalFields: ["sha", siblings], revision };
  return call(asked).then((info) => ({ filePaths: info.siblings?.map((s) => s.rfilename), ...info }));
}

async function checkTree(scene, options, files, folders) {
  const seen = await all(hub.listFiles({ ...scene.at, ...options }));
  const what = `tree by ${JSON.stringify(options)}`;
  const found = seen.filter((entry) => entry.type === "file").map(facts);
  const expected = Object.keys(files).map((name) => factsOf(name, files[name]));
  checkEqual(`files of the ${what}`, found.sort(byPath), expected.sort(byPath));
  const seenFolders = seen.filter((entry) => entry.type === "directory").map((entry) => entry.path);
  checkEqual(`folders of the ${what}`, seenFolders.sort(), [...folders].sort());
}

const byPath = (a, b) => (a.path < b.path ? -1 : 1);

function facts({ path, size, oid, lfs, xetHash }) {
  return { path, size, oid, lfs: lfs && { oid: lfs.oid, size: lfs.size, pointerSize: lfs.pointerSize }, xetHash };
}

function factsOf(path, entry) {
  const lfs = entry.lfs ? { oid: entry.sha256, size: entry.size, pointerSize: POINTER(entry) } : undefined;
  return { path, size: entry.size, oid: entry.oid, lfs, xetHash: undefined };
}

function foldersOf(files) {
  const folders = new Set();
  for (const name of Object.keys(files)) {
    const parts = name.split("/");
    for (let depth = 1; depth < parts.length; depth += 1) folders.add(parts.slice(0, depth).join("/"));
  }
  return folders;
}
