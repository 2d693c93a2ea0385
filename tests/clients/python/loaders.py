"""Cases about the libraries people load with: safetensors, model cards, transformers, datasets.

No model is run: configuration, tokenizer and every tensor are compared with the folder they were generated in, which
the clients never saw on the way.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from huggingface_hub import DatasetCard, ModelCard, SpaceCard, hf_hub_download

from harness import Expect, Scene, case, check, check_equal, check_file, check_subset, sha256_of

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
# numpy has no bfloat16 and no 8-bit floats: of tensors of such types the raw bytes are compared alone.
NUMPY_TYPES = {"BOOL", "I8", "I16", "I32", "I64", "U8", "U16", "U32", "U64", "F16", "F32", "F64"}
TEXT = "Ein Brief für Élodie: 3,14 ≈ π, 你好!"


@case()
def card(scene: Scene) -> None:
    """The card loads with its front matter, and is the file itself.

    Needs `card`.
    """
    kind = {"model": ModelCard, "dataset": DatasetCard, "space": SpaceCard}[scene.kind]
    seen = kind.load(scene.repo)
    check_file(hf_hub_download(filename="README.md", **scene.named), "README.md", scene.files["README.md"])
    check(bool(scene.expect["card"]), "`card` is empty, so the case would prove nothing")
    check_subset("front matter", seen.data.to_dict(), scene.expect["card"])
    check(len(seen.text.strip()) > 0, "the card has no text")


@case()
def safetensors_metadata(scene: Scene) -> None:
    """Names, types, shapes and shards of all tensors are read from headers alone, by ranged requests.

    Needs `models`.
    """
    for model in models_of(scene):
        truth = shards_of(Path(model["generated_dir"]))
        mark = scene.wire.mark()
        seen = scene.api.get_safetensors_metadata(model["repo"])
        check_headers(model["repo"], seen, truth)
        shards = [e for e in scene.wire.contents(mark) if e.path.endswith(".safetensors")]
        check(len(shards) >= len(truth), f"{len(shards)} requests were made for {len(truth)} shards")
        for exchange in shards:
            check(exchange.status == 206, f"a header was not answered by a range: {exchange}")


@case(since=(2, 0))
def safetensors_index(scene: Scene) -> None:
    """The headers of all shards come in one answer.

    Needs `models`, one of them sharded.
    """
    sharded = [model for model in models_of(scene) if (Path(model["generated_dir"]) / INDEX).is_file()]
    check(bool(sharded), "no model of `models` is sharded, so the case would prove nothing")
    for model in sharded:
        mark = scene.wire.mark()
        seen = scene.api.get_sharded_safetensors_metadata(model["repo"])
        check_headers(model["repo"], seen, shards_of(Path(model["generated_dir"])))
        check_equal("number of requests", len(scene.wire.since(mark, part=model["repo"])), 1)


@case(since=(2, 0))
def transformers_load(scene: Scene) -> None:
    """Configuration, tokenizer and every tensor of each model are those it was generated with.

    Needs `models`.
    """
    from transformers import AutoConfig, AutoTokenizer

    for model in models_of(scene):
        repo, folder = model["repo"], Path(model["generated_dir"])
        mark = scene.wire.mark()
        config, true = AutoConfig.from_pretrained(repo), AutoConfig.from_pretrained(folder)
        check_equal(f"class of the configuration of `{repo}`", type(config), type(true))
        check_equal(f"configuration of `{repo}`", plain(config), plain(true))
        if model["tokenizer"]:
            text = model.get("text", TEXT)
            tokenizer, true = AutoTokenizer.from_pretrained(repo), AutoTokenizer.from_pretrained(folder)
            ids = tokenizer(text)["input_ids"]
            check(len(ids) > 1, f"the tokenizer of `{repo}` makes {ids} of {text!r}, which proves nothing")
            check_equal(f"token ids of `{repo}`", ids, true(text)["input_ids"])
            check_equal(f"vocabulary of `{repo}`", tokenizer.get_vocab(), true.get_vocab())
            back = tokenizer.decode(ids, skip_special_tokens=True)
            check_equal(f"text of `{repo}` after a round trip", back, true.decode(ids, skip_special_tokens=True))
            if model.get("lossless", True):
                check_equal(f"text of `{repo}` after a round trip", back, text)
            check_equal(f"chat templates of `{repo}`", templates_of(tokenizer), templates_of(true))
            if "templates" in model:
                check_equal(f"names of templates of `{repo}`", set(templates_of(tokenizer)), set(model["templates"]))
        check_tensors(repo, folder)
        files = [e for e in scene.wire.since(mark, part="/resolve") if e.status < 400]
        commits = {e.headers.get("x-repo-commit") for e in files}
        check_equal(f"commits that `{repo}` was loaded from", commits, {model["commit"]})


@case(since=(2, 0))
def transformers_probes(scene: Scene) -> None:
    """What transformers looks for in vain is told once for each commit, and remembered; `has_file` tells the same.

    Needs `models`.
    """
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.file_download import _CACHED_NO_EXIST
    from transformers.utils import cached_file
    from transformers.utils.hub import has_file

    for model in models_of(scene):
        repo, commit = model["repo"], model["commit"]
        for name in ("adapter_config.json", "video_preprocessor_config.json", "additional_chat_templates/none.jinja"):
            mark = scene.wire.mark()
            probe = lambda: cached_file(repo, name, revision=commit, _raise_exceptions_for_missing_entries=False)
            check_equal(f"`{name}`", probe(), None)
            # Once in a process, the client asks for the names of agents beside.
            asked = [e for e in scene.wire.since(mark) if e.path.startswith(f"/{repo}/")]
            check_equal("what was asked", [(e.method, e.status) for e in asked], [("HEAD", 404)])
            check_equal("code", asked[0].headers.get("x-error-code"), "EntryNotFound")
            check_equal("commit", asked[0].headers.get("x-repo-commit"), commit)
            check_equal(f"`{name}` once more", probe(), None)
            again = [str(e) for e in scene.wire.since(mark) if e.path.startswith(f"/{repo}/")]
            check_equal("what was asked again", again[1:], [])
            cached = try_to_load_from_cache(repo, name, revision=commit)
            check(cached is _CACHED_NO_EXIST, f"the cache says {cached!r} of `{name}`")
        mark = scene.wire.mark()
        check_equal("has_file", (has_file(repo, "config.json"), has_file(repo, "nowhere.json")), (True, False))
        methods = [e.method for e in scene.wire.since(mark) if e.path.startswith(f"/{repo}/")]
        check_equal("what `has_file` asked", methods, ["HEAD", "HEAD"])


@case(since=(2, 0))
def tokenizers_load(scene: Scene) -> None:
    """The tokenizer of each model, loaded by tokenizers alone, gives the ids it gave before it was mirrored.

    Needs `models`.
    """
    from tokenizers import Tokenizer

    for model in models_of(scene):
        repo, text = model["repo"], model.get("text", TEXT)
        path = hf_hub_download(repo, "tokenizer.json")
        true = Tokenizer.from_file(str(Path(model["generated_dir"]) / "tokenizer.json")).encode(text)
        check(len(true.ids) > 1, f"the tokenizer of `{repo}` makes {true.ids} of {text!r}, which proves nothing")
        for seen in (Tokenizer.from_file(path), Tokenizer.from_pretrained(repo)):
            check_equal(f"token ids of `{repo}`", seen.encode(text).ids, true.ids)
            check_equal(f"tokens of `{repo}`", seen.encode(text).tokens, true.tokens)


@case(since=(2, 0))
def datasets_load(scene: Scene) -> None:
    """load_dataset gives every row of every split.

    Needs `dataset`.
    """
    import datasets

    loaded = datasets.load_dataset(scene.expect["dataset"]["repo"])
    check_splits({name: list(split) for name, split in loaded.items()}, scene.expect["dataset"])


@case(since=(2, 0))
def datasets_stream(scene: Scene) -> None:
    """Streaming gives every row as well, read by ranges and kept nowhere.

    Needs `dataset`.
    """
    import datasets

    repo = scene.expect["dataset"]["repo"]
    streams = datasets.load_dataset(repo, streaming=True)
    mark = scene.wire.mark()
    check_splits({name: list(stream) for name, stream in streams.items()}, scene.expect["dataset"])
    ranged = [e for e in scene.wire.contents(mark) if e.range]
    check(bool(ranged), "no row was read by a ranged request")
    for exchange in ranged:
        check(exchange.status in (206, 416), f"not a ranged answer: {exchange}")
    blobs = scene.cache_of(repo, "dataset") / "blobs"
    kept = [path.name for path in blobs.glob("*") if path.stat().st_size and path.read_bytes()[:4] == b"PAR1"]
    check_equal("data files kept in the cache", kept, [])


def check_splits(seen: dict[str, list], dataset: Expect | dict) -> None:
    """Compares all rows of all splits, in order."""
    expected = dataset["splits"]
    check(all(expected.values()) and bool(expected), "`splits` states no rows, so the case would prove nothing")
    check_equal("splits", set(seen), set(expected))
    for name, rows in expected.items():
        check_equal(f"number of rows of `{name}`", len(seen[name]), len(rows))
        for number, (row, true) in enumerate(zip(seen[name], rows, strict=True)):
            check_equal(f"row {number} of `{name}`", row, true)


def check_tensors(repo: str, folder: Path) -> None:
    """Opens every shard the way transformers finds it and compares all tensors with the generated ones."""
    from safetensors import safe_open
    from transformers.utils import cached_file
    from transformers.utils.hub import get_checkpoint_shard_files

    truth = shards_of(folder)
    if set(truth) == {SINGLE}:
        paths = [cached_file(repo, SINGLE)]
    else:
        paths, _ = get_checkpoint_shard_files(repo, cached_file(repo, INDEX))
    seen = {Path(path).name: path for path in paths}
    check_equal(f"shards of `{repo}`", set(seen), set(truth))
    for name, path in seen.items():
        header, body = read_shard(path)
        true_header, true_body = read_shard(folder / name)
        check_equal(f"header of `{name}` of `{repo}`", header, true_header)
        check(bool(header), f"`{name}` of `{repo}` holds no tensor, so the case would prove nothing")
        with safe_open(path, framework="numpy") as shard:
            check_equal(f"tensors of `{name}`", set(shard.keys()), set(header))
            for tensor, facts in header.items():
                start, end = facts["data_offsets"]
                true = true_body[start:end]
                check(body[start:end] == true, f"bytes of tensor `{tensor}` of `{repo}` differ")
                if facts["dtype"] in NUMPY_TYPES:
                    array = shard.get_tensor(tensor)
                    check(array.tobytes() == true, f"array of tensor `{tensor}` of `{repo}` differs")
                    check_equal(f"shape of tensor `{tensor}`", list(array.shape), facts["shape"])
        check_equal(f"sha256 of `{name}` of `{repo}`", sha256_of(path), sha256_of(folder / name))


def check_headers(repo: str, seen: Any, truth: dict[str, dict]) -> None:
    """Compares the client's view of all headers with the generated files."""
    check_equal(f"shards of `{repo}`", set(seen.files_metadata), set(truth))
    weight_map = {tensor: shard for shard, header in truth.items() for tensor in header}
    check_equal(f"weight map of `{repo}`", seen.weight_map, weight_map)
    for shard, header in truth.items():
        tensors = {
            name: {"dtype": info.dtype, "shape": list(info.shape), "data_offsets": list(info.data_offsets)}
            for name, info in seen.files_metadata[shard].tensors.items()
        }
        check_equal(f"tensors of `{shard}` of `{repo}`", tensors, header)


def models_of(scene: Scene) -> list[dict]:
    """The models to load, never none."""
    models = scene.expect["models"]
    check(bool(models), "`models` is empty, so the case would prove nothing")
    return models


def shards_of(folder: Path) -> dict[str, dict]:
    """The generated shards and their headers."""
    index = folder / INDEX
    names = set(json.loads(index.read_text())["weight_map"].values()) if index.is_file() else {SINGLE}
    return {name: read_shard(folder / name)[0] for name in names}


def read_shard(path: Path | str) -> tuple[dict, bytes]:
    """Header (without its free text) and body of a safetensors file, parsed here: 8 bytes of length, JSON, data."""
    data = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return header, data[8 + length :]


def plain(config: Any) -> dict:
    """A configuration without the place it was loaded from."""
    return {key: value for key, value in config.to_dict().items() if key != "_name_or_path"}


def templates_of(tokenizer: Any) -> dict[str, str]:
    """Chat templates by name; one that has no name is the default."""
    templates = tokenizer.chat_template or {}
    return {"default": templates} if isinstance(templates, str) else dict(templates)
