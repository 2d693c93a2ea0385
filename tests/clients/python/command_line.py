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

import compat
from harness import Failure, Scene, case, check, check_equal, check_folder, matching, pick

COMMAND_SECONDS_MAX = 60
DEAD_PROXY = "http://127.0.0.1:9"


@case()
def hf_download(scene: Scene) -> None:
    """`hf download` fills a folder with every file, byte for byte."""
    folder = scene.home / "fetched"
    seen = hf(scene, "download", scene.repo, *typed(scene), "--local-dir", str(folder), "--quiet")
    check_equal("path the command reports", Path(seen.strip()).resolve(), folder.resolve())
    check_folder(folder, scene.files)


@case(since=(1, 0))
def hf_json(scene: Scene) -> None:
    """`hf download --json` tells the path in JSON."""
    seen = hf(scene, "download", scene.repo, *typed(scene), "--json")
    check_folder(json.loads(seen)["path"], scene.files)


@case()
def hf_download_part(scene: Scene) -> None:
    """`hf download` of one file, of a pattern and of a tag gives just that.

    Needs `tags`.
    """
    name = pick(scene.files, "file in a folder", lambda name, _: "/" in name)
    hf(scene, "download", scene.repo, name, *typed(scene), "--local-dir", str(scene.home / "one"))
    check_folder(scene.home / "one", {name: scene.files[name]})

    pattern = scene.expect.get("patterns", {"allow": ["*.json"]})["allow"][0]
    kept = matching(scene.files, [pattern], None)
    check(0 < len(kept) < len(scene.files), f"`{pattern}` keeps all files or none; state `patterns`")
    folder = scene.home / "part"
    hf(scene, "download", scene.repo, *typed(scene), "--include", pattern, "--local-dir", str(folder))
    check_folder(folder, {name: scene.files[name] for name in kept})

    check(bool(scene.expect["tags"]), "`tags` is empty, so the case would prove nothing")
    tag, commit = next(iter(scene.expect["tags"].items()))
    folder = scene.home / "tagged"
    hf(scene, "download", scene.repo, *typed(scene), "--revision", tag, "--local-dir", str(folder))
    check_folder(folder, scene.files_at(commit))


@case()
def hf_offline(scene: Scene) -> None:
    """What `hf download` fetched is found again with `HF_HUB_OFFLINE` set, and nothing else is."""
    path = hf(scene, "download", scene.repo, *typed(scene), "--quiet").strip()
    offline = {"HF_HUB_OFFLINE": "1"}
    again = hf(scene, "download", scene.repo, *typed(scene), "--quiet", settings=offline)
    check_equal("path found offline", again.strip(), path)
    check_folder(path, scene.files)
    hf(scene, "download", scene.repo + "-nowhere", *typed(scene), settings=offline, status=1)


@case(since=(1, 0))
def hf_info(scene: Scene) -> None:
    """`hf models info` (or datasets, spaces) states commit and files; `ls` lists them with their sizes."""
    info = json.loads(hf(scene, f"{scene.kind}s", "info", scene.repo, "--json"))
    check_equal("id and sha", (info["id"], info["sha"]), (scene.repo, scene.commit))
    check_equal("siblings", {sibling["rfilename"] for sibling in info["siblings"]}, set(scene.files))
    listed = json.loads(hf(scene, f"{scene.kind}s", "ls", scene.repo, "-R", "--json"))
    sizes = {item["path"]: item["size"] for item in listed if item.get("size") is not None}
    files = {name: size for name, size in sizes.items() if name in scene.files or size}
    check_equal("listed sizes", files, {name: entry["size"] for name, entry in scene.files.items()})


@case(since=(1, 0))
def hf_verify(scene: Scene) -> None:
    """`hf cache verify` finds what `hf download` fetched to be whole, and notices a changed byte."""
    path = hf(scene, "download", scene.repo, *typed(scene), "--quiet").strip()
    check_folder(path, scene.files)
    verify = ("cache", "verify", scene.repo, *typed(scene), "--fail-on-missing-files", "--fail-on-extra-files")
    hf(scene, *verify)
    name = pick(scene.files, "LFS file", lambda _, entry: entry["lfs"] and entry["size"] > 0)
    with open(Path(path) / name, "r+b") as file:
        first = file.read(1)[0]
        file.seek(0)
        file.write(bytes([first ^ 1]))
    hf(scene, *verify, status=1)


@case()
def hf_whoami(scene: Scene) -> None:
    """`hf auth whoami` knows the owner of the token, and fails without one that works.

    Needs `whoami`, `bad_tokens`.
    """
    who = scene.expect["whoami"]
    answer = hf(scene, "auth", "whoami", token=who["token"])
    check(who["name"] in answer, f"`hf auth whoami` said {answer!r}")
    hf(scene, "auth", "whoami", token=next(iter(scene.expect["bad_tokens"].values())), status=1)


@case()
def hf_missing(scene: Scene) -> None:
    """`hf` says in words that a model, a revision or a file is not there."""
    absent = scene.repo + "-nowhere"
    calls = {
        "repo": ("download", absent, *typed(scene)),
        "revision": ("download", scene.repo, *typed(scene), "--revision", "nowhere"),
        "entry": ("download", scene.repo, "nowhere.bin", *typed(scene)),
    }
    for what, arguments in calls.items():
        said = hf(scene, *arguments, status=1)
        saying = compat.SAYINGS[what].format(kind=scene.kind, repo=absent)
        check(saying in said.lower(), f"`hf {' '.join(arguments)}` said {said!r}")
        traced = "Traceback" in said
        check(compat.SHOWS_TRACEBACK or not traced, f"`hf {' '.join(arguments)}` ended in a traceback: {said}")


@case(until=(1, 0))
def huggingface_cli(scene: Scene) -> None:
    """The command's former name downloads, verifies its token and says what is missing, just as `hf` does.

    Needs `whoami`.
    """
    who, program = scene.expect["whoami"], "huggingface-cli"
    folder = scene.home / "fetched"
    hf(scene, "download", scene.repo, *typed(scene), "--local-dir", str(folder), program=program)
    check_folder(folder, scene.files)
    answer = hf(scene, "whoami", token=who["token"], program=program)
    check(who["name"] in answer, f"`{program} whoami` said {answer!r}")
    said = hf(scene, "download", scene.repo + "-nowhere", *typed(scene), status=1, program=program)
    check(compat.SAYINGS["repo"] in said.lower(), f"`{program} download` said {said!r}")


def typed(scene: Scene) -> tuple[str, str]:
    """The options that name the kind of the repository."""
    return compat.TYPE_OPTION, scene.kind


def hf(
    scene: Scene,
    *arguments: str,
    token: str | None = None,
    status: int = 0,
    settings: dict[str, str] | None = None,
    program: str = "hf",
) -> str:
    """Runs `hf`; returns what it printed, with what it complained of if it was to fail."""
    path = Path(sys.executable).with_name(program)
    check(path.is_file(), f"the client is not installed: there is no `{path}`")
    environment = {
        **os.environ,
        "NO_PROXY": str(urlsplit(scene.endpoint).hostname),
        "HTTP_PROXY": DEAD_PROXY,
        "HTTPS_PROXY": DEAD_PROXY,
        # Wide enough that nothing is cut from what is printed.
        "COLUMNS": "400",
        **(settings or {}),
    }
    if token is not None:
        environment["HF_TOKEN"] = token
    # `--quiet` of 0.36 would warn that this is set as well.
    if compat.ON_REQUESTS:
        environment.pop("HF_HUB_DISABLE_PROGRESS_BARS", None)
    call = [str(path), *arguments]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    ended = subprocess.run(call, env=environment, text=True, timeout=COMMAND_SECONDS_MAX, **pipes)
    if ended.returncode != status:
        raise Failure(f"`{program} {' '.join(arguments)}` ended with {ended.returncode}: {ended.stdout}{ended.stderr}")
    return ended.stdout if status == 0 else ended.stdout + ended.stderr
