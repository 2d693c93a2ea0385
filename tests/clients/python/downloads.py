"""Cases about bytes: whole snapshots, single files, caches, local folders.

Every file that arrives is compared by size and SHA-256 with the expectation, never with what the server says of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url, snapshot_download

import compat
from harness import Failure, Scene, case, check, check_equal, check_file, check_folder, etag_of, matching, pick


@case()
def snapshot_whole(scene: Scene) -> None:
    """A snapshot has every file, byte for byte, and no other."""
    folder = Path(snapshot_download(**scene.named, revision=scene.revision))
    check_equal("name of the snapshot folder", folder.name, scene.commit)
    check_folder(folder, scene.files)
    check_one_get_for_each(scene.wire.contents(), scene.files)


@case()
def snapshot_patterns(scene: Scene) -> None:
    """Patterns fetch what they keep and nothing else."""
    patterns = scene.expect.get("patterns", {"allow": ["*.json"], "ignore": ["*.safetensors"]})
    for name in ("allow", "ignore"):
        kept = matching(scene.files, patterns["allow"] if name == "allow" else None, patterns["ignore"])
        check(0 < len(kept) < len(scene.files), f"the `{name}` patterns keep all files or none; state `patterns`")
        mark = scene.wire.mark()
        folder = snapshot_download(
            **scene.named,
            revision=scene.revision,
            cache_dir=scene.home / f"cache-{name}",
            allow_patterns=patterns["allow"] if name == "allow" else None,
            ignore_patterns=patterns["ignore"],
        )
        expected = {path: scene.files[path] for path in kept}
        check_folder(folder, expected)
        check_one_get_for_each(scene.wire.contents(mark), expected)


@case()
def snapshot_again(scene: Scene) -> None:
    """A second snapshot costs one look at the revision; by commit id, or offline, it costs nothing."""
    first = snapshot_download(**scene.named, revision=scene.revision)
    check(bool(scene.wire.contents()), "the first snapshot made no request for content: nothing was counted")

    mark = scene.wire.mark()
    check_equal("second snapshot", snapshot_download(**scene.named, revision=scene.revision), first)
    seen = scene.wire.since(mark)
    alone = len(seen) == 1 and seen[0].method == "GET" and "/revision/" in seen[0].path
    check(alone, f"the second snapshot asked {list(map(str, seen))}")

    mark = scene.wire.mark()
    check_equal("snapshot by commit id", snapshot_download(**scene.named, revision=scene.commit), first)
    check_equal("requests by commit id", len(scene.wire.since(mark)), int(compat.LISTS_AGAIN_BY_COMMIT))
    mark = scene.wire.mark()
    offline = snapshot_download(**scene.named, revision=scene.revision, local_files_only=True)
    check_equal("offline snapshot", offline, first)
    check_equal("requests offline", list(map(str, scene.wire.since(mark))), [])
    check_folder(first, scene.files)


@case()
def snapshot_next_revision(scene: Scene) -> None:
    """Going from an older commit to the head fetches only content that was not there.

    Needs `snapshots`.
    """
    check(bool(scene.expect["snapshots"]), "`snapshots` is empty, so the case would prove nothing")
    older, files = next(iter(scene.expect["snapshots"].items()))
    have = {etag_of(entry) for entry in files.values() if entry["size"]}
    want = {etag_of(entry) for entry in scene.files.values() if entry["size"]}
    fresh = want - have
    check(bool(fresh) and bool(want & have), f"commit `{older}` and the head must share some content and not all")
    check_folder(snapshot_download(**scene.named, revision=older), files)
    mark = scene.wire.mark()
    check_folder(snapshot_download(**scene.named, revision=scene.revision), scene.files)
    etags = {e.headers.get("x-linked-etag", e.headers.get("etag", "")).strip('"') for e in scene.wire.contents(mark)}
    check_equal("content fetched for the head", etags, fresh)


@case(since=(1, 0))
def snapshot_dry_run(scene: Scene) -> None:
    """The plan of a download states every file with its size, and fetches nothing."""
    plan = snapshot_download(**scene.named, revision=scene.revision, dry_run=True)
    sizes = {name: entry["size"] for name, entry in scene.files.items()}
    check_equal("planned sizes", {item.filename: item.file_size for item in plan}, sizes)
    check_equal("planned commits", {item.commit_hash for item in plan}, {scene.commit})
    check_equal("requests for content", list(map(str, scene.wire.contents())), [])


@case()
def snapshot_local_dir(scene: Scene) -> None:
    """A plain folder gets the files; once it has them, LFS files are recognised by their sha256 alone."""
    folder = scene.home / "local"
    snapshot_download(**scene.named, revision=scene.revision, local_dir=folder)
    check_folder(folder, scene.files)

    mark = scene.wire.mark()
    snapshot_download(**scene.named, revision=scene.revision, local_dir=folder)
    check_equal("content fetched the second time", list(map(str, scene.wire.contents(mark))), [])

    pick(scene.files, "LFS file", lambda _, entry: entry["lfs"])
    shutil.rmtree(folder / ".cache")
    mark = scene.wire.mark()
    snapshot_download(**scene.named, revision=scene.revision, local_dir=folder)
    check_folder(folder, scene.files)
    regular = {name: entry for name, entry in scene.files.items() if not entry["lfs"]}
    check_one_get_for_each(scene.wire.contents(mark), regular)


@case(since=(1, 0))
def snapshot_verify(scene: Scene) -> None:
    """The client's own checksum verification agrees with the listing."""
    snapshot_download(**scene.named, revision=scene.revision)
    outcome = scene.api.verify_repo_checksums(**scene.named, revision=scene.revision)
    check_equal("checked files", outcome.checked_count, len(scene.files))
    check_equal("mismatches", (outcome.mismatches, outcome.missing_paths, outcome.extra_paths), ([], [], []))


@case()
def file_kinds(scene: Scene) -> None:
    """One file of each sort arrives, filed under the commit and named by its own hash in the cache."""
    fetch_each(scene, {
        "LFS file": lambda _, entry: entry["lfs"] and entry["size"] > 0,
        "regular file": lambda name, entry: not entry["lfs"] and entry["size"] > 0 and "/" not in name,
        "LFS file in a folder of a folder": lambda name, entry: entry["lfs"] and name.count("/") > 1,
    })


@case()
def file_odd_paths(scene: Scene) -> None:
    """A file whose path holds a space, letters beyond ASCII, `+`, `#` or `%` arrives under that path."""
    fetch_each(scene, {
        "path with a space": lambda name, _: " " in name,
        "path beyond ASCII": lambda name, _: not name.isascii(),
        "path with `+`, `#` or `%`": lambda name, _: any(c in name for c in "+#%"),
    })


@case()
def file_empty(scene: Scene) -> None:
    """An empty file arrives."""
    fetch_each(scene, {"empty file": lambda _, entry: entry["size"] == 0})


@case(since=(1, 0))
def cut_resumed(scene: Scene) -> None:
    """A transfer that is cut goes on by itself where it stopped, and the file is whole.

    To be run through a link that cuts.
    """
    name = max(scene.files, key=lambda name: scene.files[name]["size"])
    fetch(scene, name, scene.revision, scene.commit, scene.files[name])
    check_went_on([exchange.range for exchange in scene.wire.contents()])


@case(until=(1, 0))
def cut_retried(scene: Scene) -> None:
    """A transfer that is cut fails, leaves nothing that passes for the file, and goes on when it is tried again.

    To be run through a link that cuts.
    """
    name = max(scene.files, key=lambda name: scene.files[name]["size"])
    for failures in range(5):
        try:
            fetch(scene, name, scene.revision, scene.commit, scene.files[name])
        except compat.CutError:
            whole = [path.name for path in scene.cache_of().rglob("*") if path.name in (name, etag_of(scene.files[name]))]
            check_equal("files that pass for the whole one", whole, [])
            continue
        check(failures > 0, "the transfer was not cut")
        check_went_on([exchange.range for exchange in scene.wire.contents()])
        return
    raise Failure("the download failed five times")


@case()
def file_revisions(scene: Scene) -> None:
    """By branch, tag, pull request, commit id and short commit id: the right commit and its bytes.

    Needs `branches`, `tags`, `snapshots`.
    """
    revisions = {**scene.expect["branches"], **scene.expect["tags"]}
    revisions |= {commit: commit for commit in [scene.commit, *scene.expect["snapshots"]]}
    revisions |= scene.expect.get("pull_requests", {}) | scene.expect.get("converts", {})
    revisions[scene.commit[:10]] = scene.commit
    check(len(set(revisions.values())) > 1, "all revisions are the same commit, so the case would prove nothing")
    check(bool(scene.expect["tags"]), "`tags` is empty, so the case would prove nothing")
    for revision, commit in revisions.items():
        files = scene.files_at(commit)
        # A file that the head has otherwise, if there is one: only it can tell the commits apart.
        differs = [name for name in files if scene.files.get(name, {}).get("sha256") != files[name]["sha256"]]
        name = min(differs or files)
        cache = scene.home / "caches" / revision.replace("/", "_")
        fetch(scene, name, revision, commit, files[name], cache)
        if "/" not in revision and revision != commit:
            ref = cache / scene.cache_of().name / "refs" / revision
            check_equal(f"commit cached for `{revision}`", ref.read_text(), commit)


@case()
def file_metadata(scene: Scene) -> None:
    """HEAD states commit, size and hash of every file, and neither Xet nor another place to fetch it from."""
    for name, entry in scene.files.items():
        url = hf_hub_url(scene.repo, name, repo_type=scene.kind, revision=scene.revision)
        seen = get_hf_file_metadata(url)
        expected = {
            "commit_hash": scene.commit,
            "etag": etag_of(entry),
            "size": entry["size"],
            "xet_file_data": None,
        }
        check_equal(f"metadata of `{name}`", {key: getattr(seen, key) for key in expected}, expected)
        check(seen.location.startswith(scene.endpoint + "/"), f"`{name}` is to be fetched from {seen.location!r}")


@case()
def renamed(scene: Scene) -> None:
    """A former or differently spelled id leads to the repository, by a redirect old clients follow too.

    Needs `aliases`.
    """
    check(bool(scene.expect["aliases"]), "`aliases` is empty, so the case would prove nothing")
    name = pick(scene.files, "file in a folder", lambda name, _: "/" in name)
    for alias in scene.expect["aliases"]:
        info = scene.api.repo_info(alias, repo_type=scene.kind, revision=scene.revision)
        check_equal(f"id and commit behind `{alias}`", (info.id, info.sha), (scene.repo, scene.commit))
        tree = scene.api.list_repo_tree(alias, repo_type=scene.kind, recursive=True, revision=scene.revision)
        paths = {entry.path for entry in tree if hasattr(entry, "blob_id")}
        check_equal(f"files behind `{alias}`", paths, set(scene.files))
        path = hf_hub_download(alias, name, repo_type=scene.kind, revision=scene.revision)
        check_file(path, name, scene.files[name])
    moves = [e for e in scene.wire.exchanges if 300 <= e.status < 400]
    check(bool(moves), "no request was redirected")
    for exchange in moves:
        location = exchange.headers.get("location", "")
        check(exchange.status in (307, 308), f"redirect is not 307 or 308: {exchange}")
        # Clients before 1.33 take an absolute `Location` for the place of the bytes.
        check(location.startswith("/") and not location.startswith("//"), f"`Location` is not relative: {location!r}")


def fetch_each(scene: Scene, kinds: dict[str, Callable[[str, dict], bool]]) -> None:
    """Downloads one file of each sort."""
    for what, wanted in kinds.items():
        name = pick(scene.files, what, wanted)
        fetch(scene, name, scene.revision, scene.commit, scene.files[name])


def fetch(scene: Scene, name: str, revision: str, commit: str, entry: dict, cache: Path | None = None) -> None:
    """Downloads one file and checks bytes and place in the cache."""
    path = Path(hf_hub_download(filename=name, revision=revision, cache_dir=cache, **scene.named))
    check_file(path, f"{name}` at `{revision}", entry)
    check(path.as_posix().endswith(f"/snapshots/{commit}/{name}"), f"`{name}` at `{revision}` was filed as `{path}`")
    check_equal(f"cache name of `{name}`", path.resolve().name, etag_of(entry))


def check_went_on(asked: list[str | None]) -> None:
    """Fails unless the first request was for all and each other one for what was still lacking."""
    check(asked[0] is None and len(asked) > 1, f"the transfer was not cut: the ranges asked for were {asked}")
    starts = [int((text or "bytes=0-").removeprefix("bytes=").split("-")[0]) for text in asked[1:]]
    check(starts == sorted(set(starts)) and starts[0] > 0, f"the client began anew: {asked}")


def check_one_get_for_each(seen: list, files: dict[str, dict]) -> None:
    """Fails unless every content was fetched by one whole GET: proof for the counting that other cases rest on."""
    # The client makes empty files by itself.
    etags = [etag_of(entry) for entry in files.values() if entry["size"]]
    check_equal("statuses of content requests", {e.status for e in seen}, {200} if etags else set())
    # Two paths with equal content may both be fetched when they race.
    distinct, count = len(set(etags)), len(seen)
    check(distinct <= count <= len(etags), f"{count} requests for {len(etags)} files with {distinct} contents")
