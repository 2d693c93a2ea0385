"""Cases about tables: datasets of several configurations and formats, and what pandas and pyarrow read by `hf://`."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import HfFileSystem, hf_hub_url

from filesystem import fresh
from harness import Scene, case, check, check_equal
from loaders import check_splits

# What `datasets` may ask of the dataset viewer, whose name it makes up from the endpoint's.
VIEWER_PATHS = {"/info", "/parquet"}


@case(since=(2, 0))
def datasets_configurations(scene: Scene) -> None:
    """Every configuration that the card lists has its splits and rows, loaded whole and streamed.

    Needs `tables`.
    """
    import datasets

    formats = scene.expect["tables"]["formats"]
    check(len(formats) > 2, "`formats` states less than three, so the case would prove little")
    for stated in formats:
        repo, configurations = stated["repo"], stated["configurations"]
        check(len(configurations) > 1, f"`{repo}` has one configuration, so the case would prove little")
        names = datasets.get_dataset_config_names(repo)
        check_equal(f"configurations of `{repo}`", set(names), set(configurations))
        for name, splits in configurations.items():
            check_equal(f"splits of `{name}`", set(datasets.get_dataset_split_names(repo, name)), set(splits))
            for streaming in (False, True):
                loaded = datasets.load_dataset(repo, name, streaming=streaming)
                check_splits({split: list(rows) for split, rows in loaded.items()}, {"splits": splits})
        (split, rows), *_ = configurations[stated["default"]].items()
        check_equal("rows of the default", list(datasets.load_dataset(repo, split=split)), rows)
        check_equal("a part of a split", list(datasets.load_dataset(repo, split=f"{split}[1:3]")), rows[1:3])
        check_no_scripts(scene, repo)
    check_viewer(scene, {stated["repo"] for stated in formats})


@case(since=(2, 0))
def datasets_by_files(scene: Scene) -> None:
    """Data files are found by pattern through `hf://`, by plain address, and in the branch of converted files.

    Needs `tables`.
    """
    import datasets

    tables = scene.expect["tables"]
    repo = tables["repo"]
    rows = tables["parquet_rows"]
    pattern = f"hf://datasets/{repo}@{tables['commit']}/columnas/*.parquet"
    for streaming in (False, True):
        found = datasets.load_dataset("parquet", data_files={"train": pattern}, streaming=streaming)
        check_equal(f"rows behind `{pattern}`", list(found["train"]), rows)
    url = hf_hub_url(repo, tables["csv"], repo_type="dataset")
    found = datasets.load_dataset("csv", data_files={"train": url})
    check_equal("rows behind a plain address", list(found["train"]), tables["csv_rows"])
    converted = datasets.load_dataset(repo, revision=tables["converted"], split="train")
    check_equal("rows of the converted branch", list(converted), rows)


@case(since=(2, 0))
def filesystem_tables(scene: Scene) -> None:
    """pandas and pyarrow read tables by `hf://`, columns of a parquet file by ranges alone; folders are walked.

    Needs `tables`.
    """
    import pandas
    import pyarrow.parquet

    tables = scene.expect["tables"]
    repo, rows = tables["repo"], tables["parquet_rows"]
    root = f"datasets/{repo}"
    mark = scene.wire.mark()
    frame = pandas.read_parquet(f"hf://{root}/{tables['parquet']}", columns=["id"])
    check_equal("one column by pandas", frame["id"].tolist(), [row["id"] for row in rows])
    read_by_ranges(scene, mark)
    fs, mark = HfFileSystem(), scene.wire.mark()
    # What is not kept is read as pyarrow asks for it: the end of the file, and the group of rows.
    with fs.open(f"{root}/{tables['parquet']}", "rb", cache_type="none") as file:
        table = pyarrow.parquet.ParquetFile(file)
        check(table.num_row_groups > 1, "the file has one group of rows, so reading the last one proves little")
        last = table.read_row_group(table.num_row_groups - 1).to_pylist()
    check_equal("the last group of rows by pyarrow", last, rows[-len(last) :])
    read, whole = read_by_ranges(scene, mark), tables["parquet_bytes"]
    check(read < whole / 2, f"{read} bytes were read of a file of {whole}")
    check_equal("the whole table by pyarrow", pyarrow.parquet.read_table(f"{root}/{tables['parquet']}", filesystem=fs).to_pylist(), rows)
    csv = pandas.read_csv(f"hf://{root}/{tables['csv']}")
    check_equal("CSV by pandas", csv.to_dict("records"), tables["csv_rows"])

    files = set(scene.files)
    walked = {f"{folder}/{name}" for folder, _, names in fresh(fs).walk(root) for name in names}
    check_equal("walk", walked, {f"{root}/{name}" for name in files})
    for pattern, wanted in (
        ("**/*.parquet", {name for name in files if name.endswith(".parquet")}),
        ("data/train-0000[01]-*.csv", {name for name in files if name.startswith("data/train-")}),
        ("*/?est*", {name for name in files if name.count("/") == 1 and name.split("/")[1][1:4] == "est"}),
        ("nowhere/*", set()),
    ):
        check_equal(f"glob of `{pattern}`", set(fresh(fs).glob(f"{root}/{pattern}")), {f"{root}/{name}" for name in wanted})
    for revision in (tables["converted"], tables["converted"].replace("/", "%2F")):
        listed = fresh(fs).ls(f"{root}@{revision}", detail=True)
        check_equal(f"types at `{revision}`", {item["type"] for item in listed}, {"directory", "file"})
        found = fresh(fs).find(f"{root}@{revision}")
        check(any(name.endswith("0000.parquet") for name in found), f"`find` at `{revision}` gives {found}")
    listed = {item["name"]: item for item in fresh(fs).ls(root, detail=True)}
    card = listed[f"{root}/README.md"]
    stated = scene.files["README.md"]
    check_equal("details of a file", (card["type"], card["size"], card["blob_id"]), ("file", stated["size"], stated["oid"]))
    check_equal("details of a folder", listed[f"{root}/data"]["type"], "directory")


def read_by_ranges(scene: Scene, mark: int) -> int:
    """Fails unless all contents since then came by ranges; returns how many bytes they were."""
    seen = scene.wire.contents(mark)
    check(bool(seen), "nothing was read")
    for exchange in seen:
        check(exchange.range is not None and exchange.status == 206, f"not a ranged answer: {exchange}")
    return sum(int(exchange.headers["content-length"]) for exchange in seen)


def check_viewer(scene: Scene, repos: set[str]) -> None:
    """Fails unless the viewer was asked for what it would know of these repositories, and for nothing else."""
    asked = [urlsplit(url) for url in scene.wire.viewer]
    check(bool(asked), "the viewer was not asked, so that it fails fast is not proven")
    check_equal("paths asked of the viewer", {url.path for url in asked} - VIEWER_PATHS, set())
    check_equal("questions to the viewer", {url.query for url in asked}, {f"dataset={repo}" for repo in repos})


def check_no_scripts(scene: Scene, repo: str) -> None:
    """Fails unless the script that `datasets` no longer takes was told to be absent, and nothing else went wrong."""
    name = repo.split("/")[1]
    probes: list[Any] = [e for e in scene.wire.exchanges if e.path.endswith(f"/{name}.py")]
    check(bool(probes), f"`{name}.py` was not asked for")
    for exchange in scene.wire.exchanges:
        check(exchange.status < 500, f"the hub failed: {exchange}")
        if exchange.status >= 400 and exchange.status != 416:
            check_equal(f"code of {exchange}", exchange.headers.get("x-error-code"), "EntryNotFound")
