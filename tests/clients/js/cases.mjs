// Runs conformance cases of @huggingface/hub against a hub: `node cases.mjs CASE@SCENE ..`, or `--list` for the names.
//
// HF_ENDPOINT, HF_HOME and EXPECT are those of the Python cases, which say what EXPECT holds. A case prints
// `ok CASE@SCENE`, or says on the standard error output what was not as expected; the status is 1 if one failed.

import "./access.mjs";
import "./downloads.mjs";
import "./gathered.mjs";
import "./metadata.mjs";
import { CASES, Failure, Scene } from "./harness.mjs";

// The client tells what it downloads on the standard output.
console.debug = () => {};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !CASES.has(name.split("@")[0]));
if (wanted.length === 1 && wanted[0] === "--list") {
  console.log([...CASES.keys()].join("\n"));
} else if (wanted.length === 0 || unknown.length > 0) {
  console.error(`usage: cases.mjs --list | CASE@SCENE ..; there is no case ${unknown}`);
  process.exitCode = 2;
} else {
  for (const label of wanted) {
    const [name, scene] = label.split("@");
    try {
      await CASES.get(name)(await Scene.open(scene, label));
      console.log(`ok ${label}`);
    } catch (error) {
      console.error(`failed ${label}: ${error instanceof Failure ? error.message : error.stack}`);
      process.exitCode = 1;
    }
  }
}
