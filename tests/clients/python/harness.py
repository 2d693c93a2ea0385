"""What every case is built from: the registry, the expectation, the request recorder, the checks.

It knows nothing of any single call of a client; those live beside it, by subject. It never repairs what a server
answers: every helper either returns plain values or raises `Failure` with the exact difference.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

# What a site may set for a stock client. Everything else that steers the clients is removed, so that a case proves
# the server and not the settings of the machine it runs on.
KEPT_VARIABLES = {"HF_ENDPOINT", "HF_HOME", "HF_TOKEN"}
CLIENT_PREFIXES = ("HF_", "HUGGINGFACE", "HUGGING_FACE", "TRANSFORMERS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
# Objects whose members are looked up by the cases, as opposed to data such as `files`.
SECTIONS = {"whoami", "private", "gated", "steered", "held", "recalled", "unselected", "dataset", "tables"}
# What a client calls by itself, whatever the endpoint: `datasets` counts loads there and takes any failure for an
# answer. Refused all the same, but no server is to blame.
OWN_PINGS = ("HEAD https://s3.amazonaws.com/datasets.huggingface.co/",)


class Failure(Exception):
    """The server (or the expectation) is not what the case demands."""


def check(holds: bool, message: str) -> None:
    """Fails the case with `message` unless `holds`."""
    if not holds:
        raise Failure(message)


def check_equal(what: str, seen: Any, expected: Any) -> None:
    """Fails unless both are equal, naming both; for dicts and sets only what differs."""
    if seen == expected:
        return
    if isinstance(seen, dict) and isinstance(expected, dict):
        lines = [
            f"{key!r}: {seen.get(key, 'absent')!r}, expected {expected.get(key, 'absent')!r}"
            for key in sorted(seen.keys() | expected.keys(), key=str)
            if key not in seen or key not in expected or seen[key] != expected[key]
        ]
        raise Failure(f"{what} differs: " + "; ".join(lines))
    if isinstance(seen, (set, frozenset)):
        missing, extra = sorted(expected - seen, key=str), sorted(seen - expected, key=str)
        raise Failure(f"{what} differs: missing {missing}, unexpected {extra}")
    raise Failure(f"{what} is {seen!r}, expected {expected!r}")


def check_subset(what: str, seen: dict | None, expected: dict) -> None:
    """Fails unless `seen` has every key of `expected` with that value."""
    seen = seen or {}
    check_equal(what, {key: seen.get(key, "absent") for key in expected}, expected)


def check_raises(kind: type[Exception], what: str, call: Callable[[], Any]) -> Any:
    """Fails unless `call` raises exactly `kind`, subclasses not counted; returns the exception."""
    try:
        outcome = call()
    except Exception as error:
        if type(error) is kind:
            return error
        first = str(error).strip().splitlines()[:1]
        raise Failure(f"{what} raised `{type(error).__name__}`, expected `{kind.__name__}`: {first}") from error
    raise Failure(f"{what} returned {str(outcome)[:200]!r}, expected `{kind.__name__}`")


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path | str, name: str, expected: dict) -> None:
    """Fails unless the file at `path` has the size and digest that entry `name` is expected to have."""
    check_equal(f"size of `{name}`", os.path.getsize(path), expected["size"])
    check_equal(f"sha256 of `{name}`", sha256_of(path), expected["sha256"])


def check_folder(folder: Path | str, expected: dict[str, dict]) -> None:
    """Fails unless the folder holds exactly these files, byte for byte; the client's own notes do not count."""
    found = {
        path.relative_to(folder).as_posix(): path
        for path in Path(folder).rglob("*")
        if not path.is_dir() and not path.relative_to(folder).as_posix().startswith(".cache/huggingface/")
    }
    check_equal(f"set of files in `{folder}`", set(found), set(expected))
    for name, path in found.items():
        check_file(path, name, expected[name])


def matching(names: Iterable[str], allow: list[str] | None, ignore: list[str] | None) -> set[str]:
    """The names that shell patterns keep, worked out here so as not to ask the client under test."""
    return {
        name
        for name in names
        if (allow is None or any(fnmatchcase(name, pattern) for pattern in allow))
        and not any(fnmatchcase(name, pattern) for pattern in ignore or [])
    }


def pick(files: dict[str, dict], what: str, wanted: Callable[[str, dict], bool]) -> str:
    """The first path of that sort; a fixture without one fails the case, which would prove nothing."""
    for name in sorted(files):
        if wanted(name, files[name]):
            return name
    raise Failure(f"the expected files have no {what}; add one to the fixture")


def etag_of(entry: dict) -> str:
    """What the hub names the entry's content by: sha256 for LFS files, the git blob id for others."""
    return entry["sha256"] if entry["lfs"] else entry["oid"]


def pointer_size(entry: dict) -> int:
    """Length of the git-lfs pointer that stands for an LFS entry in git."""
    return len(f"version https://git-lfs.github.com/spec/v1\noid sha256:{entry['sha256']}\nsize {entry['size']}\n")


@dataclass(frozen=True)
class Exchange:
    """One request and the head of its response, as the client's transport saw them."""

    method: str
    path: str
    status: int
    range: str | None
    headers: dict[str, str]

    def __str__(self) -> str:
        return f"{self.status} {self.method} {self.path}" + (f" [{self.range}]" if self.range else "")


@dataclass
class Wire:
    """Records what the clients ask for, and lets nothing leave for a host other than the endpoint."""

    host: str
    exchanges: list[Exchange] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    viewer: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def install(self) -> None:
        """Makes every client built on huggingface_hub's session go through this recorder."""
        import compat

        compat.watch(self._on_request, self._on_response)

    def _on_request(self, method: str, host: str, url: str) -> None:
        if host == self.host:
            return
        # `datasets` makes this name up from the endpoint: no server sent it there.
        if host == f"datasets-server.{self.host}":
            with self._lock:
                self.viewer.append(url)
            return
        stray = f"{method} {url}"
        if not stray.startswith(OWN_PINGS):
            with self._lock:
                self.strays.append(stray)
        raise Failure(f"a client was led to another host: {stray}")

    def _on_response(
        self, method: str, path: str, status: int, asked: dict[str, str], answered: dict[str, str]
    ) -> None:
        exchange = Exchange(method, path, status, asked.get("range"), answered)
        with self._lock:
            self.exchanges.append(exchange)

    def mark(self) -> int:
        """A point in time to count from."""
        return len(self.exchanges)

    def since(self, mark: int, method: str | None = None, part: str = "") -> list[Exchange]:
        """Exchanges after `mark`, of one method if given, whose path contains `part`."""
        return [e for e in self.exchanges[mark:] if (method is None or e.method == method) and part in e.path]

    def contents(self, mark: int = 0) -> list[Exchange]:
        """GETs of file content after `mark`."""
        return self.since(mark, "GET", "/resolve")


class Expect:
    """The expectation file; asking for something it does not state fails the case."""

    def __init__(self, values: dict[str, Any], where: str = "the expectation") -> None:
        self._values = values
        self._where = where

    def __getitem__(self, key: str) -> Any:
        if key not in self._values:
            raise Failure(f"{self._where} does not state `{key}`, which this case needs")
        value = self._values[key]
        return Expect(value, f"`{key}` of {self._where}") if key in SECTIONS else value

    def get(self, key: str, default: Any = None) -> Any:
        """A value that may be left out."""
        return self._values.get(key, default)


@dataclass
class Scene:
    """What a case gets: where the server is, what it must show, and the recorder."""

    endpoint: str
    home: Path
    expect: Expect
    wire: Wire

    def __post_init__(self) -> None:
        from huggingface_hub import HfApi

        self.api = HfApi()

    @property
    def repo(self) -> str:
        """The repository that the ordinary cases look at."""
        return self.expect["repo"]

    @property
    def kind(self) -> str:
        """`model`, `dataset` or `space`."""
        return self.expect.get("repo_type", "model")

    @property
    def revision(self) -> str:
        """The branch whose head is `commit`."""
        return self.expect.get("revision", "main")

    @property
    def commit(self) -> str:
        """The full id of the commit at `revision`."""
        return self.expect["commit"]

    @property
    def files(self) -> dict[str, dict]:
        """The entries at `commit`, never none."""
        files = self.expect["files"]
        check(bool(files), "the expectation states no files, so the case would prove nothing")
        return files

    def files_at(self, commit: str) -> dict[str, dict]:
        """The entries at any commit that the expectation knows."""
        if commit == self.commit:
            return self.files
        snapshots = self.expect["snapshots"]
        check(commit in snapshots, f"`snapshots` of the expectation does not state commit `{commit}`")
        return snapshots[commit]

    @property
    def named(self) -> dict[str, str]:
        """Keyword arguments that name the repository, for most calls of the client."""
        return {"repo_id": self.repo, "repo_type": self.kind}

    def cache_of(self, repo: str | None = None, kind: str | None = None) -> Path:
        """The folder in which the client's cache keeps a repository."""
        return self.home / "hub" / f"{kind or self.kind}s--{(repo or self.repo).replace('/', '--')}"


CASES: dict[str, Callable[[Scene], None]] = {}


def case(
    since: tuple[int, int] = (0, 0), until: tuple[int, int] = (99, 0)
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Registers a function as the case of its name, with hyphens, for generations of the client in this span."""
    import compat

    def register(run: Callable[[Scene], None]) -> Callable[[Scene], None]:
        name = run.__name__.replace("_", "-")
        if name in CASES:
            raise ValueError(f"two cases are called `{name}`")
        if since <= compat.VERSION < until:
            CASES[name] = run
        return run

    return register
