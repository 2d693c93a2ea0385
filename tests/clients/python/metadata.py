"""Cases about what the API says of repositories: info, trees, paths, refs, commits, lists.

Reading bytes belongs to `downloads` and `filesystem`; who may see what belongs to `access`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from huggingface_hub.hf_api import RepoFile, RepoFolder

from compat import RemoteEntryNotFoundError
from harness import Failure, Scene, case, check, check_equal, check_raises, check_subset, pick, pointer_size

HEX_40 = re.compile(r"[0-9a-f]{40}")


@case()
def repo_info(scene: Scene) -> None:
    """Info with file metadata states the commit and every file's size, blob id and LFS hash."""
    info = info_of(scene, files_metadata=True)
    check_equal("id", info.id, scene.repo)
    check_equal("sha", info.sha, scene.commit)
    check_equal("author", info.author, scene.repo.split("/")[0])
    check_siblings(info, scene.files)
    for name in ("created_at", "last_modified"):
        moment = getattr(info, name)
        check(isinstance(moment, datetime) and moment.tzinfo is not None, f"`{name}` is {moment!r}, not a UTC time")
    check(info.disabled is False, f"`disabled` is {info.disabled!r}")
    check_info(info, scene.expect.get("info", {}))


@case()
def repo_info_described(scene: Scene) -> None:
    """Info states what the card says: tags, task, library, licence.

    Needs `info`.
    """
    expected = scene.expect["info"]
    check(bool(expected.get("tags")) and bool(expected.get("card_data")), "`info` states no `tags` or no `card_data`")
    check_info(info_of(scene), expected)


@case()
def repo_info_revisions(scene: Scene) -> None:
    """Info of a branch, tag or commit id is that revision's.

    Needs `branches`, `tags`, `snapshots`.
    """
    revisions = {**scene.expect["branches"], **scene.expect["tags"], scene.commit: scene.commit}
    revisions |= scene.expect.get("pull_requests", {}) | scene.expect.get("converts", {})
    check(len(set(revisions.values())) > 1, "all revisions are the same commit, so the case would prove nothing")
    for revision, commit in revisions.items():
        info = info_of(scene, revision=revision, files_metadata=True)
        check_equal(f"sha of `{revision}`", info.sha, commit)
        check_siblings(info, scene.files_at(commit))


@case(since=(1, 0))
def resolve_revision(scene: Scene) -> None:
    """A revision is resolved to its commit, short commit ids too.

    Needs `branches`, `tags`.
    """
    revisions = {**scene.expect["branches"], **scene.expect["tags"], scene.commit: scene.commit}
    revisions[scene.commit[:10]] = scene.commit
    for revision, commit in revisions.items():
        resolved = scene.api.resolve_revision(**scene.named, revision=revision)
        check_equal(f"commit of `{revision}`", resolved.resolved, commit)


@case()
def repo_info_expand(scene: Scene) -> None:
    """With `expand`, info states the properties asked for and no other."""
    info = info_of(scene, expand=["sha", "siblings"])
    check_equal("id", info.id, scene.repo)
    check_equal("sha", info.sha, scene.commit)
    check_equal("siblings", {sibling.rfilename for sibling in info.siblings or []}, set(scene.files))
    for name in ("tags", "likes", "last_modified", "created_at", "private", "card_data"):
        check(getattr(info, name) is None, f"`{name}` was sent without being asked for")
    info = info_of(scene, expand=["tags", "lastModified"])
    check(info.sha is None and info.siblings is None, "`sha` or `siblings` was sent without being asked for")
    check(isinstance(info.tags, list), f"`tags` is {info.tags!r}")
    check(isinstance(info.last_modified, datetime), f"`lastModified` is {info.last_modified!r}")


@case()
def tree_recursive(scene: Scene) -> None:
    """The recursive tree has every file and every folder, with sizes, ids and LFS hashes."""
    check_tree("tree", list(tree_of(scene, recursive=True)), scene, scene.files, folders_of(scene.files))
    names = scene.api.list_repo_files(**scene.named, revision=scene.revision)
    check_equal("list_repo_files", sorted(names), sorted(scene.files))


@case()
def tree_shallow(scene: Scene) -> None:
    """Each folder's own listing has its children only; below a folder, recursion stays below it."""
    folders = folders_of(scene.files)
    check(bool(folders), "the expected files are in no folder, so the case would prove nothing")
    for folder in sorted({"", *folders}):
        prefix = folder + "/" if folder else ""
        below = {name: entry for name, entry in scene.files.items() if name.startswith(prefix)}
        children = {name: entry for name, entry in below.items() if "/" not in name[len(prefix) :]}
        inner = {name for name in folders if name.startswith(prefix) and name != folder}
        nearest = {name for name in inner if "/" not in name[len(prefix) :]}
        check_tree(f"tree of `{folder}`", list(tree_of(scene, folder)), scene, children, nearest)
        check_tree(f"tree below `{folder}`", list(tree_of(scene, folder, recursive=True)), scene, below, inner)


@case()
def tree_expand(scene: Scene) -> None:
    """The expanded tree has the same entries; last commits and scan results are whole where they are sent.

    Needs `commits`.
    """
    entries = list(tree_of(scene, recursive=True, expand=True))
    check_tree("expanded tree", entries, scene, scene.files, folders_of(scene.files))
    check_expanded(scene, entries)


@case()
def tree_paged(scene: Scene) -> None:
    """A tree of more than one page arrives whole, by links on the endpoint."""
    entries = list(tree_of(scene, recursive=True))
    pages = scene.wire.since(0, "GET", "/tree/")
    check(len(pages) > 1, f"{len(entries)} entries came in one page; the fixture needs more than 1000")
    check_tree("paged tree", entries, scene, scene.files, folders_of(scene.files))
    for page in pages[:-1]:
        check('; rel="next"' in page.headers.get("link", ""), f"`Link` of a page is {page.headers.get('link')!r}")


@case()
def tree_missing_folder(scene: Scene) -> None:
    """A folder that is not there is a missing entry, which transformers counts on at every load."""
    call = lambda: list(tree_of(scene, "additional_chat_templates"))
    error = check_raises(RemoteEntryNotFoundError, "list_repo_tree", call)
    check_equal("status", error.response.status_code, 404)


@case()
def paths_info(scene: Scene) -> None:
    """Asked for by path: files and folders that exist, in full; the others are left out."""
    folder = pick_folder(scene)
    missing = ["no/such/file.bin", "nothing here"]
    seen = scene.api.get_paths_info(**scene.named, paths=[*scene.files, folder, *missing], revision=scene.revision)
    check_tree("paths info", seen, scene, scene.files, {folder})
    seen = scene.api.get_paths_info(**scene.named, paths=missing, revision=scene.revision)
    check_equal("info of missing paths", seen, [])
    one = pick(scene.files, "LFS file", lambda _, entry: entry["lfs"])
    seen = scene.api.get_paths_info(**scene.named, paths=one, revision=scene.commit, expand=True)
    check_tree("info of one path", seen, scene, {one: scene.files[one]}, set())


@case()
def refs(scene: Scene) -> None:
    """Branches, tags, conversions and pull requests, each at its commit.

    Needs `branches`, `tags`.
    """
    seen = scene.api.list_repo_refs(**scene.named)
    check_refs("branches", seen.branches, "refs/heads/", scene.expect["branches"])
    check_refs("tags", seen.tags, "refs/tags/", scene.expect["tags"])
    check_full_refs("converts", seen.converts, scene.expect.get("converts", {}))
    seen = scene.api.list_repo_refs(**scene.named, include_pull_requests=True)
    check_full_refs("pull requests", seen.pull_requests, scene.expect.get("pull_requests", {}))


@case()
def commits(scene: Scene) -> None:
    """The history, newest first, with titles, authors and times.

    Needs `commits`.
    """
    expected = [(item["id"], item["title"]) for item in scene.expect["commits"]]
    seen = scene.api.list_repo_commits(**scene.named, revision=scene.revision)
    check_equal("commits", [(item.commit_id, item.title) for item in seen], expected)
    check(all(item.created_at.tzinfo for item in seen), "a commit's time has no zone")
    check(all(item.authors for item in seen), "a commit has no author")
    times = [item.created_at for item in seen]
    check_equal("order of the commits' times", times, sorted(times, reverse=True))
    formatted = scene.api.list_repo_commits(**scene.named, revision=scene.revision, formatted=True)
    check(all(isinstance(item.formatted_title, str) for item in formatted), "`formatted` titles are absent")


@case()
def existence(scene: Scene) -> None:
    """What exists is said to exist; what does not is not, and raises nothing."""
    api, name = scene.api, min(scene.files)
    answers = {
        "repo": api.repo_exists(**scene.named),
        "other repo": api.repo_exists(scene.repo + "-nowhere", repo_type=scene.kind),
        "revision": api.revision_exists(**scene.named, revision=scene.revision),
        "commit": api.revision_exists(**scene.named, revision=scene.commit),
        "other revision": api.revision_exists(**scene.named, revision="nowhere"),
        "other commit": api.revision_exists(**scene.named, revision="f" * 40),
        "file": api.file_exists(**scene.named, filename=name, revision=scene.revision),
        "other file": api.file_exists(**scene.named, filename="nowhere.bin", revision=scene.revision),
        "file at other revision": api.file_exists(**scene.named, filename=name, revision="nowhere"),
        "file of other repo": api.file_exists(scene.repo + "-nowhere", name, repo_type=scene.kind),
    }
    check_equal("existence", answers, {what: "other" not in what for what in answers})


@case()
def lists(scene: Scene) -> None:
    """Lists of repositories, searched, filtered, cut.

    Needs `lists`.
    """
    queries = scene.expect["lists"]
    for key in ("search", "author", "filter", "limit"):
        check(any(key in query["args"] for query in queries), f"no query of `lists` uses `{key}`")
    for query in queries:
        items = list(getattr(scene.api, f"list_{query['kind']}")(**query["args"]))
        seen, expected = [item.id for item in items], query["ids"]
        if not query.get("ordered"):
            seen, expected = sorted(seen), sorted(expected)
        check_equal(f"list of {query['kind']} by {query['args']}", seen, expected)
        for item in items:
            check(isinstance(item.tags, list) or "expand" in query["args"], f"`tags` of `{item.id}` is {item.tags!r}")
            if query["args"].get("full"):
                check(bool(item.sha and HEX_40.fullmatch(item.sha)), f"`sha` of `{item.id}` is {item.sha!r}")
                check(item.siblings is not None, f"`siblings` of `{item.id}` are absent")


@case(since=(1, 30))
def lists_by_parameter(scene: Scene) -> None:
    """Every parameter of the list calls narrows, orders or widens as it says, and tags are listed by type.

    Needs `queries`, `model_tags`, `dataset_tags`.
    """
    used: dict[str, set[str]] = {}
    for query in scene.expect["queries"]:
        call, arguments = getattr(scene.api, query["call"]), query["args"]
        known = set(inspect.signature(call).parameters)
        if not set(arguments) <= known:
            continue
        used.setdefault(query["call"], set()).update(arguments)
        positional = [arguments["query"]] if "query" in arguments else []
        items = list(call(*positional, **{name: value for name, value in arguments.items() if name != "query"}))
        seen, expected = [item.id for item in items], query["ids"]
        if not query.get("ordered"):
            seen, expected = sorted(seen), sorted(expected)
        check_equal(f"{query['call']} by {arguments}", seen, expected)
        for item in items:
            for name in query.get("has", []):
                check(getattr(item, name, None) is not None, f"{query['call']} by {arguments}: `{item.id}` has no `{name}`")
            for name in query.get("lacks", []):
                check(getattr(item, name, None) is None, f"{query['call']} by {arguments}: `{item.id}` has `{name}`")
    for name in ("list_models", "list_datasets", "list_spaces", "search_spaces"):
        parameters = set(inspect.signature(getattr(scene.api, name)).parameters) - {"self", "token"}
        check_equal(f"parameters of {name} that no query uses", sorted(parameters - used.get(name, set())), [])
    for key, seen in (("model_tags", scene.api.get_model_tags()), ("dataset_tags", scene.api.get_dataset_tags())):
        for sort, ids in scene.expect[key].items():
            check_equal(f"{key} of type {sort}", [tag["id"] for tag in seen[sort]], ids)
            check(all(tag["type"] == sort and tag["label"] for tag in seen[sort]), f"{key}: {seen[sort]}")


def info_of(scene: Scene, **arguments: Any) -> Any:
    """Calls model_info, dataset_info or space_info."""
    return getattr(scene.api, f"{scene.kind}_info")(scene.repo, **arguments)


def check_info(info: Any, expected: dict) -> None:
    """Compares attributes of an info object with those stated."""
    for name, value in expected.items():
        seen = getattr(info, name)
        if name == "tags":
            check(set(value) <= set(seen or []), f"`tags` {seen} lack {sorted(set(value) - set(seen or []))}")
        elif name == "card_data":
            check(seen is not None, "`card_data` is absent")
            check_subset("`card_data`", seen.to_dict(), value)
        else:
            check_equal(f"`{name}`", seen, value)


def check_siblings(info: Any, files: dict[str, dict]) -> None:
    """Compares siblings sent with `blobs` to the expected entries."""
    seen = {s.rfilename: (s.size, s.blob_id, tuple_of(s.lfs)) for s in info.siblings or []}
    check_equal("siblings", seen, {name: facts_of(entry) for name, entry in files.items()})
    check_equal("number of siblings", len(info.siblings), len(files))


def tree_of(scene: Scene, folder: str = "", **arguments: Any) -> Iterable[RepoFile | RepoFolder]:
    """Lists the tree at the expected revision."""
    return scene.api.list_repo_tree(**scene.named, path_in_repo=folder or None, revision=scene.revision, **arguments)


def check_tree(what: str, entries: list, scene: Scene, files: dict[str, dict], folders: set[str]) -> None:
    """Compares tree entries to the expected files and folders."""
    seen = {e.path: (e.size, e.blob_id, tuple_of(e.lfs)) for e in entries if isinstance(e, RepoFile)}
    check_equal(f"files of the {what}", seen, {name: facts_of(entry) for name, entry in files.items()})
    ids = {e.path: e.tree_id for e in entries if isinstance(e, RepoFolder)}
    check_equal(f"folders of the {what}", set(ids), folders)
    check_equal(f"number of entries of the {what}", len(entries), len(files) + len(folders))
    stated = scene.expect.get("folders")
    for name, tree_id in ids.items():
        check(bool(HEX_40.fullmatch(tree_id)), f"tree id of folder `{name}` is {tree_id!r}")
        if stated is not None:
            check_equal(f"tree id of folder `{name}`", tree_id, stated[name])
    hashes = [e.path for e in entries if getattr(e, "xet_hash", None) is not None]
    check_equal(f"files of the {what} with a Xet hash", hashes, [])


def check_expanded(scene: Scene, entries: list) -> None:
    """Compares what `expand` adds; a hub may leave it out unless the expectation states it."""
    titles = {item["id"]: item["title"] for item in scene.expect["commits"]}
    for entry in entries:
        last, stated = entry.last_commit, scene.files.get(entry.path, {}).get("last_commit")
        if last is not None:
            known = titles.get(last.oid) == last.title
            check(known, f"last commit of `{entry.path}` is {last}, which `commits` does not state")
            check(last.date.tzinfo is not None, f"last commit of `{entry.path}` has the date {last.date}")
        if stated is not None:
            check_equal(f"last commit of `{entry.path}`", last and last.oid, stated)


def check_refs(what: str, seen: list, prefix: str, expected: dict[str, str]) -> None:
    """Compares refs by name and by full name."""
    check_equal(what, {item.name: item.target_commit for item in seen}, expected)
    check_equal(f"full names of {what}", {item.ref for item in seen}, {prefix + name for name in expected})


def check_full_refs(what: str, seen: list, expected: dict[str, str]) -> None:
    """Compares refs by full name, such as `refs/pr/1`; hubs differ in what they put in `name`."""
    check_equal(what, {item.ref: item.target_commit for item in seen}, expected)


def facts_of(entry: dict) -> tuple:
    """Size, blob id and LFS facts, as both the tree and the info state them."""
    lfs = (entry["size"], entry["sha256"], pointer_size(entry)) if entry["lfs"] else None
    return entry["size"], entry["oid"], lfs


def tuple_of(lfs: Any) -> tuple | None:
    """The LFS facts of a client's object."""
    return None if lfs is None else (lfs.size, lfs.sha256, lfs.pointer_size)


def folders_of(files: dict[str, dict]) -> set[str]:
    """Every folder that holds an entry, at any depth."""
    split = [name.split("/") for name in files]
    return {"/".join(parts[:depth]) for parts in split for depth in range(1, len(parts))}


def pick_folder(scene: Scene) -> str:
    """The first folder of the expected files."""
    folders = sorted(folders_of(scene.files))
    if not folders:
        raise Failure("the expected files are in no folder; add one to the fixture")
    return folders[0]
