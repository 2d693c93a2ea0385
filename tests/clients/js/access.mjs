// Cases about who may see what, and how a refusal looks: the client's one error type, with the status and the reason.

import { all, check, checkEqual, checkRefused, defineCase, hub } from "./harness.mjs";

defineCase("whoami", async (scene) => {
  const who = scene.need("whoami");
  const seen = await hub.whoAmI({ hubUrl: scene.hubUrl, accessToken: who.token });
  checkEqual("name and type", [seen.name, seen.type], [who.name, "user"]);
  checkEqual("organisations", seen.orgs.map((org) => org.name), who.orgs);
  checkEqual("role of the token", seen.auth.accessToken.role, who.role);
});

defineCase("auth-check", async (scene) => {
  const hidden = scene.need("private");
  const at = (accessToken) => ({ hubUrl: scene.hubUrl, repo: { type: "model", name: hidden.repo }, accessToken });
  await hub.checkRepoAccess({ ...scene.at });
  await hub.checkRepoAccess(at(hidden.reader));
  await checkRefused("access of a stranger", 404, () => hub.checkRepoAccess(at(hidden.stranger)));
  await checkRefused("anonymous access", 401, () => hub.checkRepoAccess(at(undefined)));
});

defineCase("missing-repo", async (scene) => {
  const repo = { ...scene.repo, name: `${scene.name}-nowhere` };
  for (const [accessToken, status] of [[undefined, 401], [scene.need("whoami").token, 404]]) {
    for (const [what, call] of Object.entries(reads(scene, { repo, accessToken }, "config.json"))) {
      await checkRefused(what, status, call);
    }
  }
});

defineCase("missing-revision", async (scene) => {
  for (const revision of ["nowhere", "f".repeat(40)]) {
    for (const [what, call] of Object.entries(reads(scene, { repo: scene.repo, revision }, "config.json"))) {
      await checkRefused(`${what} at \`${revision}\``, 404, call);
    }
  }
});

defineCase("missing-entry", async (scene) => {
  for (const path of ["nowhere.bin", "no/where.bin"]) {
    checkEqual(`download of \`${path}\``, await hub.downloadFile({ ...scene.at, path }), null);
  }
});

defineCase("unselected-entry", async (scene) => {
  checkEqual("download", await hub.downloadFile({ ...scene.at, path: scene.need("unselected").path }), null);
});

defineCase("private-anonymous", (scene) => checkHidden(scene, undefined, 401));
defineCase("private-stranger", (scene) => checkHidden(scene, scene.need("private").stranger, 404));

defineCase("private-reader", async (scene) => {
  const { repo, reader, path, files } = scene.need("private");
  const at = { hubUrl: scene.hubUrl, repo: { type: "model", name: repo }, accessToken: reader };
  const info = await hub.modelInfo({ hubUrl: scene.hubUrl, name: repo, accessToken: reader });
  checkEqual("`private`", info.private, true);
  checkEqual("files", (await all(hub.listFiles({ ...at }))).map((entry) => entry.path), Object.keys(files));
  const blob = await hub.downloadFile({ ...at, path });
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())).toString("hex");
  checkEqual(`sha256 of \`${path}\``, digest, files[path].sha256);
});

defineCase("gated", async (scene) => {
  const { repo, reader, stranger, path, files } = scene.need("gated");
  const at = (accessToken) => ({ hubUrl: scene.hubUrl, repo: { type: "model", name: repo }, accessToken });
  for (const [accessToken, status] of [[undefined, 401], [stranger, 403]]) {
    const info = await hub.modelInfo({ hubUrl: scene.hubUrl, name: repo, accessToken });
    checkEqual("`gated`", info.gated, "manual");
    checkEqual("files", (await all(hub.listFiles(at(accessToken)))).map((entry) => entry.path), Object.keys(files));
    const error = await checkRefused("download", status, () => hub.downloadFile({ ...at(accessToken), path }));
    check(error.message.includes("ask-access"), `the refusal says ${error.message}`);
    const snapshot = { ...at(accessToken), cacheDir: scene.cache() };
    await checkRefused("snapshot", status, () => hub.snapshotDownload(snapshot));
  }
  const blob = await hub.downloadFile({ ...at(reader), path });
  const digest = Buffer.from(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer())).toString("hex");
  checkEqual(`sha256 of \`${path}\``, digest, files[path].sha256);
});

defineCase("bad-token", async (scene) => {
  for (const [fault, accessToken] of Object.entries(scene.need("bad_tokens"))) {
    await checkRefused(`whoami with a ${fault} token`, 401, () => hub.whoAmI({ hubUrl: scene.hubUrl, accessToken }));
    for (const [what, call] of Object.entries(reads(scene, { repo: scene.repo, accessToken }, "config.json"))) {
      await checkRefused(`${what} with a ${fault} token`, 401, call);
    }
  }
});

defineCase("foreign-token", async (scene) => {
  const accessToken = scene.need("foreign_token");
  const asked = { hubUrl: scene.hubUrl, name: scene.name, accessToken, additionalFields: ["sha"] };
  checkEqual("sha", (await hub.modelInfo(asked)).sha, scene.commit);
  const blob = await hub.downloadFile({ ...scene.at, path: "config.json", accessToken });
  checkEqual("size of `config.json`", (await blob.arrayBuffer()).byteLength, scene.files["config.json"].size);
  await checkRefused("whoami", 401, () => hub.whoAmI({ hubUrl: scene.hubUrl, accessToken }));
});

defineCase("upload-refused", async (scene) => {
  const at = { ...scene.at, accessToken: scene.need("whoami").token };
  const created = { ...at, repo: { ...scene.repo, name: `${scene.name}-new` } };
  const file = { path: "new.json", content: new Blob(["{}"]) };
  const large = { path: "large.bin", content: new Blob([new Uint8Array(11_000_000)]) };
  const calls = {
    createRepo: () => hub.createRepo(created),
    uploadFile: () => hub.uploadFile({ ...at, file }),
    "uploadFile of a large file": () => hub.uploadFile({ ...at, file: large }),
    deleteFile: () => hub.deleteFile({ ...at, path: "config.json" }),
    createBranch: () => hub.createBranch({ ...at, branch: "new" }),
    deleteRepo: () => hub.deleteRepo({ ...at }),
  };
  for (const [what, call] of Object.entries(calls)) {
    const error = await checkRefused(what, 404, call);
    check(error.message.includes("is not part of this hub"), `${what} says ${error.message}`);
  }
  const asked = { hubUrl: scene.hubUrl, name: scene.name, additionalFields: ["sha"] };
  checkEqual("commit afterwards", (await hub.modelInfo(asked)).sha, scene.commit);
});

/** Every way of reading a repository, ready to be called. */
function reads(scene, at, path) {
  const where = { hubUrl: scene.hubUrl, ...at };
  const { name } = at.repo;
  return {
    modelInfo: () => hub.modelInfo({ ...where, name }),
    listFiles: () => all(hub.listFiles(where)),
    pathsInfo: () => hub.pathsInfo({ ...where, paths: [path] }),
    listCommits: () => all(hub.listCommits(where)),
    downloadFile: () => hub.downloadFile({ ...where, path }),
    snapshotDownload: () => hub.snapshotDownload({ ...where, cacheDir: scene.cache() }),
  };
}

/** Fails unless every read of the private repository is refused just as for one that does not exist. */
async function checkHidden(scene, accessToken, status) {
  const { repo: name, path } = scene.need("private");
  const other = name.slice(0, -1) + (name.endsWith("x") ? "y" : "x");
  const hidden = reads(scene, { repo: { type: "model", name }, accessToken }, path);
  const absent = reads(scene, { repo: { type: "model", name: other }, accessToken }, path);
  for (const what of Object.keys(hidden)) {
    const one = await checkRefused(`${what} of the private repository`, status, hidden[what]);
    const two = await checkRefused(`${what} of no repository`, status, absent[what]);
    checkEqual(`answer to ${what}`, face(one, name), face(two, other));
  }
  const seen = await hub.repoExists({ hubUrl: scene.hubUrl, repo: { type: "model", name }, accessToken });
  checkEqual("repoExists", seen, false);
  const listed = await all(hub.listModels({ hubUrl: scene.hubUrl, accessToken, search: { owner: name.split("/")[0] } }));
  check(!listed.some((item) => item.name === name), "the private repository is listed");
}

/** All that tells one refusal from another, with the repository's name taken out. */
function face(error, name) {
  const id = error.requestId;
  const text = (value) => value.replaceAll(name, "REPO").replaceAll(id ?? "\0", "ID");
  return [error.statusCode, text(error.message), text(JSON.stringify(error.data))];
}
