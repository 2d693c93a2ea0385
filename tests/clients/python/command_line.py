"""Cases about the `hf` command, run as a person would run it.

The command is the one installed beside this interpreter. It runs in a process of its own, so no request is recorded
here; a dead proxy for every other host sees to it that none leaves.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from harness import Failure, Scene, case, check, check_equal, check_folder, matching, pick

COMMAND_SECONDS_MAX = 60
DEAD_PROXY = "http://127.0.0.1:9"


@case
def hf_download(scene: Scene) -> None:
    """`hf download` fills a folder with every file, byte for byte."""
    folder = scene.home / "fetched"
    seen = hf(scene, "download", scene.repo, "--type", scene.kind, "--local-dir", str(folder), "--json")
    check_equal("path the command reports", Path(json.loads(seen)["path"]).resolve(), folder.resolve())
    check_folder(folder, scene.files)


@case
def hf_download_part(scene: Scene) -> None:
    """`hf download` of one file, of a pattern and of a tag gives just that.

    Needs `tags`.
    """
    name = pick(scene.files, "file in a folder", lambda name, _: "/" in name)
    hf(scene, "download", scene.repo, name, "--type", scene.kind, "--local-dir", str(scene.home / "one"))
    check_folder(scene.home / "one", {name: scene.files[name]})

    pattern = scene.expect.get("patterns", {"allow": ["*.json"]})["allow"][0]
    kept = matching(scene.files, [pattern], None)
    check(0 < len(kept) < len(scene.files), f"`{pattern}` keeps all files or none; state `patterns`")
    folder = scene.home / "part"
    hf(scene, "download", scene.repo, "--type", scene.kind, "--include", pattern, "--local-dir", str(folder))
    check_folder(folder, {name: scene.files[name] for name in kept})

    check(bool(scene.expect["tags"]), "`tags` is empty, so the case would prove nothing")
    tag, commit = next(iter(scene.expect["tags"].items()))
    folder = scene.home / "tagged"
    hf(scene, "download", scene.repo, "--type", scene.kind, "--revision", tag, "--local-dir", str(folder))
    check_folder(folder, scene.files_at(commit))


@case
def hf_info(scene: Scene) -> None:
    """`hf models info` (or datasets, spaces) states commit and files; `ls` lists them with their sizes."""
    info = json.loads(hf(scene, f"{scene.kind}s", "info", scene.repo, "--json"))
    check_equal("id and sha", (info["id"], info["sha"]), (scene.repo, scene.commit))
    check_equal("siblings", {sibling["rfilename"] for sibling in info["siblings"]}, set(scene.files))
    listed = json.loads(hf(scene, f"{scene.kind}s", "ls", scene.repo, "-R", "--json"))
    sizes = {item["path"]: item["size"] for item in listed if item.get("size") is not None}
    files = {name: size for name, size in sizes.items() if name in scene.files or size}
    check_equal("listed sizes", files, {name: entry["size"] for name, entry in scene.files.items()})


@case
def hf_verify(scene: Scene) -> None:
    """`hf cache verify` finds what `hf download` fetched to be whole, and notices a changed byte."""
    path = hf(scene, "download", scene.repo, "--type", scene.kind, "--quiet").strip()
    check_folder(path, scene.files)
    verify = ("cache", "verify", scene.repo, "--type", scene.kind, "--fail-on-missing-files", "--fail-on-extra-files")
    hf(scene, *verify)
    name = pick(scene.files, "LFS file", lambda _, entry: entry["lfs"] and entry["size"] > 0)
    with open(Path(path) / name, "r+b") as file:
        first = file.read(1)[0]
        file.seek(0)
        file.write(bytes([first ^ 1]))
    hf(scene, *verify, status=1)


@case
def hf_whoami(scene: Scene) -> None:
    """`hf auth whoami` knows the owner of the token, and fails without one that works.

    Needs `whoami`, `bad_tokens`.
    """
    who = scene.expect["whoami"]
    answer = json.loads(hf(scene, "auth", "whoami", "--json", token=who["token"]))
    check_equal("user", answer.get("user") or answer.get("name"), who["name"])
    hf(scene, "auth", "whoami", "--json", token=next(iter(scene.expect["bad_tokens"].values())), status=1)


@case
def hf_missing(scene: Scene) -> None:
    """`hf` says in words that a model, a revision or a file is not there."""
    absent = scene.repo + "-nowhere"
    sayings = {
        ("download", absent, "--type", scene.kind): f"{scene.kind} '{absent}' not found",
        ("download", scene.repo, "--type", scene.kind, "--revision", "nowhere"): "revision not found in",
        ("download", scene.repo, "nowhere.bin", "--type", scene.kind): "file not found in",
    }
    for arguments, saying in sayings.items():
        said = hf(scene, *arguments, status=1)
        check(saying.lower() in said.lower(), f"`hf {' '.join(arguments)}` said {said!r}")
        check("Traceback" not in said, f"`hf {' '.join(arguments)}` ended in a traceback: {said}")


def hf(scene: Scene, *arguments: str, token: str | None = None, status: int = 0) -> str:
    """Runs `hf`; returns what it printed, with what it complained of if it was to fail."""
    program = Path(sys.executable).with_name("hf")
    check(program.is_file(), f"the client is not installed: there is no `{program}`")
    environment = {
        **os.environ,
        "NO_PROXY": str(urlsplit(scene.endpoint).hostname),
        "HTTP_PROXY": DEAD_PROXY,
        "HTTPS_PROXY": DEAD_PROXY,
        # Wide enough that nothing is cut from what is printed.
        "COLUMNS": "400",
    }
    if token is not None:
        environment["HF_TOKEN"] = token
    call = [str(program), *arguments]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    ended = subprocess.run(call, env=environment, text=True, timeout=COMMAND_SECONDS_MAX, **pipes)
    if ended.returncode != status:
        raise Failure(f"`hf {' '.join(arguments)}` ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout if status == 0 else ended.stdout + ended.stderr
