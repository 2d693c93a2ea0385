// Cases about what is gathered around repositories: collections, and who touched what.

import { join } from "node:path";

import { all, check, checkEqual, checkFile, defineCase, hub } from "./harness.mjs";

defineCase("collections", async (scene) => {
  const stated = scene.need("collection");
  const { hubUrl } = scene;
  const [kind, name] = stated.items[0];
  const searches = [{}, { owner: [stated.owner] }, { item: [`${kind}s/${name}`] }, { q: stated.title.toUpperCase() }];
  for (const search of searches) {
    const seen = await all(hub.listCollections({ hubUrl, search, sort: "lastModified" }));
    checkEqual(`collections by ${JSON.stringify(search)}`, seen.map((found) => found.slug), [stated.slug]);
    checkCollection(seen[0], stated, stated.items.slice(0, 4));
  }
  for (const search of [{ owner: ["nobody"] }, { item: ["models/acme/private"] }, { q: "nothing of the sort" }]) {
    checkEqual(`collections by ${JSON.stringify(search)}`, await all(hub.listCollections({ hubUrl, search })), []);
  }
  const accessToken = stated.reader;
  const seen = await all(hub.listCollections({ hubUrl, accessToken }));
  checkEqual("collections of a reader", seen.map((found) => found.slug).sort(), [stated.slug, stated.hidden].sort());
});

defineCase("last-commits", async (scene) => {
  const stated = scene.need("last_commits");
  const paths = Object.keys(stated);
  const touched = (entries) =>
    Object.fromEntries(entries.filter(({ path }) => path in stated).map((entry) => [entry.path, entry.lastCommit?.id]));
  checkEqual("last commits", touched(await hub.pathsInfo({ ...scene.at, paths, expand: true })), stated);
  checkEqual("last commits of the tree", touched(await all(hub.listFiles({ ...scene.at, recursive: true, expand: true }))), stated);
  // Asked for by branch, the client files under the commit that last touched the file.
  const path = "config.json";
  const file = await hub.downloadFileToCacheDir({ ...scene.at, path, cacheDir: scene.cache() });
  await checkFile(file, path, scene.files[path]);
  check(file.endsWith(join("snapshots", stated[path], path)), `\`${path}\` was filed as ${file}`);
});

function checkCollection(seen, stated, items) {
  const facts = [seen.slug, seen.title, seen.description, seen.owner.name, seen.private, seen.upvotes];
  checkEqual("collection", facts, [stated.slug, stated.title, stated.description, stated.owner, false, 0]);
  checkEqual("items", seen.items.map((item) => [item.type, item.id]), items);
  checkEqual("note", seen.items[0].note.text, stated.note);
  check(!Number.isNaN(Date.parse(seen.lastUpdated)), `\`lastUpdated\` is ${seen.lastUpdated}`);
}
