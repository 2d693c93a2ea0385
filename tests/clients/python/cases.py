"""Runs conformance cases of the stock Python clients against a hub: `python cases.py CASE@SCENE ..`.

The integration tests start it with a server behind it; `cases.py --list` prints the names of all cases, so that they
can prove that every one was run. A case prints `ok CASE@SCENE`, or says on the standard error output exactly what was
not as expected, with the requests it had made; the status is 1 if one failed, and 2 after a wrong call.

It starts no server, and makes no repository: what is there is stated by the caller.

Environment
    HF_ENDPOINT   base URL of the hub; clients are not let out to any other host
    HF_HOME       a folder, emptied before each case
    HF_TOKEN      optional: the token that ordinary calls send
    EXPECT        path of a JSON file that states what must be seen

EXPECT holds one object a scene, by the scene's name. A case fails if a key it needs is absent (`needs` in its
docstring names those beyond the first block), or if the fixture holds nothing of the sort it is about.

    repo          "acme/tiny"
    repo_type     "model" (default), "dataset", "space"
    revision      branch whose head is `commit` ("main")
    commit        40 hex
    files         all entries at `commit`: {path: {"size": n, "sha256": hex, "oid": git blob id, "lfs": bool,
                  "last_commit"?: commit id}}; `oid` of an LFS entry is that of its pointer

    snapshots     {commit id: files}: the entries of other commits
    branches      {name: commit id}, complete                       tags   the same
    pull_requests {name: commit id}: optional, default none         converts  the same
    folders       {path: git tree id}: optional, all folders at `commit`
    commits       [{"id": .., "title": ..}], newest first, the whole history of `revision`
    info          expected attributes of the client's info object: any of "pipeline_tag", "library_name", "private",
                  "gated", "sdk", ..; "tags" and "card_data" may state a part only
    card          front matter of README.md: any part of it
    patterns      {"allow": [glob], "ignore": [glob]}: default *.json and *.safetensors
    aliases       [former or otherwise spelled ids of `repo`]
    lists         [{"kind": "models", "args": {search, author, filter, limit, sort, full, ..}, "ids": [..],
                  "ordered"?: bool}]; `args` go to list_models, list_datasets or list_spaces
    queries       [{"call": "list_models", "args": {..}, "ids": [..], "ordered"?: bool, "has"?: [attribute],
                  "lacks"?: [attribute]}]: together every parameter of the list calls; one with arguments that a
                  client does not know is passed over
    model_tags    {type: [id, ..]}: any part of the tags by type     dataset_tags  the same

    whoami        {"token", "name", "orgs": [..], "role"?}
    private       {"repo", "repo_type"?, "path", "files": {path: entry}, "reader": token, "stranger": token}
    gated         {"repo", "path", "stranger": token, "reader"?: token}
    steered       the same of another gated repository, whose gate a case opens and closes
    bad_tokens    {what is wrong with it: token}: tokens of this hub that no longer or never worked
    foreign_token a well-formed token of some other hub
    held          {"repo", "revision", "token"?}: a commit that awaits a decision, seen by a reader
    recalled      {"repo", "revision", "token"?}: a commit that was withdrawn
    unselected    {"path", "message"}: an entry that upstream has and the mirror leaves out

    last_commits  {path: id of the commit that last touched it}: any part of the files
    collection    {"slug", "title", "description", "owner", "items": [[type, id], ..], "note": of the first item,
                  "hidden": slug of another one, titled "Hidden", that "reader" (a token) may see}
    people        {"token", "user", "organization", "members": [name], "counts": members, models, datasets and spaces of
                  the organisation as the owner of "token" sees them, "member": token of a reader of it}

    models        [{"repo", "commit", "generated_dir": folder with the true files, "tokenizer": bool, "text"?: ..,
                  "lossless"?: false where the tokenizer does not give the text back as it was,
                  "templates"?: names of its chat templates}]
    dataset       {"repo", "splits": {name: [row, ..]}}
    tables        {"repo", "commit", "formats": [{"repo", "default": a configuration, "configurations": {name: {split:
                  [row, ..]}}}], "csv", "parquet": paths of files, "csv_rows", "parquet_rows": what is in them,
                  "parquet_bytes": size, "converted": ref whose rows are those of the parquet file}
"""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from urllib.parse import urlsplit

import harness

# A case that hangs ends here with the stack of every thread, and with status 1.
CASE_SECONDS_MAX = 150
EXCHANGES_SHOWN_MAX = 60


def main(arguments: list[str]) -> int:
    """Runs the cases that `arguments` name, one after the other."""
    prepare_environment()
    # After the environment is set: the clients read it when they are imported.
    import access
    import command_line
    import downloads
    import filesystem
    import gathered
    import loaders
    import metadata
    import tables

    if arguments == ["--list"]:
        print("\n".join(harness.CASES))
        return 0
    wrong = [argument for argument in arguments if argument.partition("@")[0] not in harness.CASES]
    if wrong or not arguments:
        print(f"usage: cases.py --list | CASE@SCENE ..; there is no case {wrong}", file=sys.stderr)
        return 2
    failed = [argument for argument in arguments if not alone(argument)]
    return 1 if failed else 0


def alone(argument: str) -> bool:
    """Runs one case in a process and a home of its own.

    The process is a fork of this one, which has imported the clients and done nothing with them: importing them anew
    takes longer than most cases. A thread would not live on in the fork, so there must be none.
    """
    home = Path(os.environ["HF_HOME"])
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    threads = len(os.listdir("/proc/self/task"))
    if threads != 1:
        raise RuntimeError(f"this process has {threads} threads; something started one when it was imported")
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = run(argument)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            # Not by way of the interpreter's end, which belongs to the parent.
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status == 0


def run(argument: str) -> int:
    """Runs one case and reports it."""
    faulthandler.dump_traceback_later(CASE_SECONDS_MAX, exit=True)
    wire = None
    try:
        name, _, scene = argument.partition("@")
        endpoint = os.environ["HF_ENDPOINT"].rstrip("/")
        wire = harness.Wire(urlsplit(endpoint).netloc)
        wire.install()
        home = Path(os.environ["HF_HOME"])
        scenes = json.loads(Path(os.environ["EXPECT"]).read_text(encoding="utf-8"))
        harness.check(scene in scenes, f"the expectation states no scene `{scene}`")
        harness.CASES[name](harness.Scene(endpoint, home, harness.Expect(scenes[scene]), wire))
        # Some clients swallow every error, so what the recorder refused is looked at again here.
        harness.check(not wire.strays, f"clients were led to other hosts: {wire.strays}")
    except Exception as error:
        for exchange in wire.exchanges[-EXCHANGES_SHOWN_MAX:] if wire else []:
            print(f"  {exchange}", file=sys.stderr)
        if not isinstance(error, harness.Failure):
            traceback.print_exc()
            error = f"unexpected `{type(error).__name__}`: {' '.join(str(error).split())}"
        print(f"failed {argument}: {error}", file=sys.stderr)
        return 1
    print(f"ok {argument}")
    return 0


def prepare_environment() -> None:
    """Leaves the clients as they are when newly installed, but quiet and off every proxy."""
    for variable in list(os.environ):
        if variable.upper().startswith(harness.CLIENT_PREFIXES) and variable not in harness.KEPT_VARIABLES:
            del os.environ[variable]
    os.environ["NO_PROXY"] = "*"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_HUB_DISABLE_UPDATE_CHECK"] = "1"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
