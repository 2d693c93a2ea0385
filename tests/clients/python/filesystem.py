"""Cases about `HfFileSystem`, through which pandas, datasets, DuckDB and vLLM read.

The bytes it must give are those of a file downloaded beforehand and checked by SHA-256.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfFileSystem, hf_hub_download

import compat
from harness import Scene, case, check, check_equal, check_file, check_raises, pick
from metadata import folders_of

# Small enough that a small file takes several ranged requests.
BLOCK_BYTES = 1000


@case()
def filesystem_list(scene: Scene) -> None:
    """ls, info, find, glob and exists agree with the listing."""
    fs, root = HfFileSystem(), root_of(scene)
    folders = folders_of(scene.files)
    top = {name for name in [*scene.files, *folders] if "/" not in name}
    check_equal("ls", {item["name"] for item in fs.ls(root)}, {f"{root}/{name}" for name in top})
    found = {name: item["size"] for name, item in fs.find(root, detail=True).items()}
    check_equal("find", found, {f"{root}/{name}": entry["size"] for name, entry in scene.files.items()})

    # One file system per question: they would answer each other's from the directory cache.
    suffix = Path(pick(scene.files, "file with an extension", lambda name, _: bool(Path(name).suffix))).suffix
    matching = {f"{root}/{name}" for name in scene.files if name.endswith(suffix)}
    check_equal("glob", set(fresh(fs).glob(f"{root}/**/*{suffix}")), matching)
    for name, entry in scene.files.items():
        info = fresh(fs).info(f"{root}/{name}")
        check_equal(f"info of `{name}`", (info["type"], info["size"]), ("file", entry["size"]))
        if "blob_id" in info:
            check_equal(f"blob id of `{name}`", info["blob_id"], entry["oid"])
    for folder in folders:
        check(fresh(fs).isdir(f"{root}/{folder}"), f"`{folder}` is not a folder")
    check_equal("exists", (fresh(fs).exists(root), fresh(fs).exists(f"{root}/nowhere")), (True, False))
    check_raises(FileNotFoundError, "ls of a missing folder", lambda: fresh(fs).ls(f"{root}/nowhere"))
    check_raises(FileNotFoundError, "ls of a missing revision", lambda: fresh(fs).ls(root.split("@")[0] + "@nowhere"))


@case()
def filesystem_read(scene: Scene) -> None:
    """Whole reads, seeks, ranges and reads across the end give the true bytes, by ranged requests."""
    big = lambda _, entry: entry["lfs"] and entry["size"] > 4 * BLOCK_BYTES
    name = pick(scene.files, f"LFS file over {4 * BLOCK_BYTES} bytes", big)
    size, path = scene.files[name]["size"], f"{root_of(scene)}/{name}"
    local = hf_hub_download(filename=name, revision=scene.commit, **scene.named)
    check_file(local, name, scene.files[name])
    true = Path(local).read_bytes()

    fs, mark = HfFileSystem(), scene.wire.mark()
    with fs.open(path, "rb", block_size=BLOCK_BYTES) as file:
        file.seek(17)
        check_equal("read after seek", file.read(100), true[17:117])
        file.seek(-50, 2)
        check_equal("read of the tail", file.read(), true[-50:])
        file.seek(size - 10)
        check_equal("read across the end", file.read(100), true[-10:])
        check_equal("read at the end", file.read(100), b"")
    check_equal("read_block", fs.read_block(path, size - 10, 100), true[-10:])
    check_equal("cat_file", fs.cat_file(path, start=3, end=2 * BLOCK_BYTES), true[3 : 2 * BLOCK_BYTES])
    check_equal("cat_ranges", fs.cat_ranges([path, path], [0, 5], [1, 25]), [true[:1], true[5:25]])
    ranged = scene.wire.contents(mark)
    check(len(ranged) > 4, f"only {len(ranged)} ranged requests were made: nothing was proven")
    for exchange in ranged:
        check(exchange.range is not None and exchange.status == 206, f"not a ranged answer: {exchange}")

    mark = scene.wire.mark()
    with fs.open(path, "rb", block_size=0) as file:
        check(file.read() == true, "the stream differs from the file")
    if compat.STREAMS_AT_ONCE:
        check_equal("statuses of the stream", [e.status for e in scene.wire.contents(mark)], [200])
        return
    with fs.open(path, "rb", block_size=0) as file:
        # Where a stream that broke right at its end is taken up again: 416 tells the client that it has everything.
        file.loc = size
        check_equal("stream taken up at the end", file.read(), b"")
    check_equal("statuses of the streams", [e.status for e in scene.wire.contents(mark)], [200, 416])
    at_end = scene.wire.contents(mark)[-1].headers.get("content-range")
    check_equal("`Content-Range` past the end", at_end, f"bytes */{size}")


@case()
def range_read(scene: Scene) -> None:
    """A part of a file is read without the rest of it."""
    name = pick(scene.files, "LFS file", lambda _, entry: entry["lfs"] and entry["size"] > 2000)
    local = hf_hub_download(filename=name, revision=scene.commit, **scene.named)
    check_file(local, name, scene.files[name])
    mark = scene.wire.mark()
    seen = HfFileSystem().cat_file(f"{root_of(scene)}/{name}", start=1000, end=1500)
    check_equal("bytes 1000 to 1500", seen, Path(local).read_bytes()[1000:1500])
    check_equal("statuses", {exchange.status for exchange in scene.wire.contents(mark)}, {206})


@case()
def filesystem_read_all(scene: Scene) -> None:
    """Every file read through the file system has its digest, the empty one included."""
    fs, root = HfFileSystem(), root_of(scene)
    pick(scene.files, "empty file", lambda _, entry: entry["size"] == 0)
    for number, (name, entry) in enumerate(scene.files.items()):
        copy = scene.home / f"copy-{number}"
        fs.get_file(f"{root}/{name}", copy)
        check_file(copy, name, entry)


def root_of(scene: Scene) -> str:
    """The repository's path at the expected commit."""
    prefix = "" if scene.kind == "model" else f"{scene.kind}s/"
    return f"{prefix}{scene.repo}@{scene.commit}"


def fresh(fs: HfFileSystem) -> HfFileSystem:
    """The file system with nothing in its caches."""
    fs.invalidate_cache()
    return fs
