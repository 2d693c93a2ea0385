"""Cases about who may see what, and how a refusal looks to a client.

Missing, hidden, gated, held and withdrawn things each have an error type of the client's own; every case pins the
exact type, since callers catch by type.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import (
    BadRequestError,
    DisabledRepoError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import _CACHED_NO_EXIST

import compat
from compat import RemoteEntryNotFoundError
from harness import Failure, Scene, case, check, check_equal, check_file, check_raises

# The one text by which the client tells a bad token from a repository it may not see, over https.
BAD_CREDENTIALS = "Invalid credentials in Authorization header"


@case()
def whoami(scene: Scene) -> None:
    """A token is told its owner, organisations and role.

    Needs `whoami`.
    """
    who = scene.expect["whoami"]
    answer = scene.api.whoami(token=who["token"])
    check_equal("name", answer.get("name"), who["name"])
    check_equal("type", answer.get("type"), "user")
    check_equal("organisations", sorted(org["name"] for org in answer["orgs"]), sorted(who["orgs"]))
    token = answer["auth"]["accessToken"]
    check(isinstance(token.get("displayName"), str), f"`displayName` of the token is {token.get('displayName')!r}")
    if who.get("role"):
        check_equal("role of the token", token.get("role"), who["role"])


@case()
def auth_check(scene: Scene) -> None:
    """auth_check passes for those who may read, and only for them.

    Needs `private`.
    """
    private = scene.expect["private"]
    scene.api.auth_check(**scene.named)
    scene.api.auth_check(**hidden_of(scene), token=private["reader"])
    refused = lambda token: lambda: scene.api.auth_check(**hidden_of(scene), token=token)
    check_raises(RepositoryNotFoundError, "auth_check of a stranger", refused(private["stranger"]))
    check_raises(RepositoryNotFoundError, "anonymous auth_check", refused(False))


@case()
def missing_repo(scene: Scene) -> None:
    """A repository that is not there: 401 to nobody in particular, 404 to a known user.

    Needs `whoami`.
    """
    named = {"repo_id": scene.repo + "-nowhere", "repo_type": scene.kind}
    for token, status in ((False, 401), (scene.expect["whoami"]["token"], 404)):
        for what, call in reads(scene, named, "config.json", token).items():
            error = check_raises(RepositoryNotFoundError, f"{what} with status {status} awaited", call)
            check_refusal(what, error, status)


@case()
def missing_revision(scene: Scene) -> None:
    """A branch or commit that is not there is a missing revision, not a missing repository."""
    name = min(scene.files)
    for revision in ("nowhere", "no/where", "f" * 40):
        for what, call in reads(scene, scene.named, name, None, revision).items():
            error = check_raises(RevisionNotFoundError, f"{what} at `{revision}`", call)
            check_refusal(f"{what} at `{revision}`", error, 404)
    check_equal("cached commits", sorted((scene.cache_of() / "snapshots").glob("*")), [])


@case()
def missing_entry(scene: Scene) -> None:
    """A file that is not there is remembered as absent, under its commit."""
    for name in ("nowhere.bin", "no/where.bin"):
        download = lambda: hf_hub_download(filename=name, revision=scene.revision, **scene.named)
        error = check_raises(RemoteEntryNotFoundError, f"download of `{name}`", download)
        check_equal("status", error.response.status_code, 404)
        check_equal("`X-Repo-Commit`", error.response.headers.get("x-repo-commit"), scene.commit)
        marker = scene.cache_of() / ".no_exist" / scene.commit / name
        check(marker.is_file(), f"there is no marker `{marker}`")
        cached = try_to_load_from_cache(scene.repo, name, revision=scene.revision, repo_type=scene.kind)
        check(cached is _CACHED_NO_EXIST, f"the cache says {cached!r} of `{name}`")


@case()
def unselected_entry(scene: Scene) -> None:
    """A file the mirror leaves out is missing, says why, and is not remembered as absent.

    Needs `unselected`.
    """
    left_out = scene.expect["unselected"]
    name = left_out["path"]
    download = lambda: hf_hub_download(filename=name, revision=scene.revision, **scene.named)
    error = check_raises(RemoteEntryNotFoundError, f"download of `{name}`", download)
    check_equal("`X-Repo-Commit`", error.response.headers.get("x-repo-commit"), None)
    check("no-store" in error.response.headers.get("cache-control", ""), "the refusal may be stored by a proxy")
    text = error.response.headers.get("x-error-message", "")
    check(left_out["message"] in text, f"`X-Error-Message` is {text!r}, without {left_out['message']!r}")
    check(not list(scene.cache_of().glob(".no_exist/**/*")), "the client has remembered the file as absent")


@case()
def private_anonymous(scene: Scene) -> None:
    """To nobody in particular, a private repository looks exactly like one that is not there.

    Needs `private`.
    """
    check_hidden(scene, False, 401)


@case()
def private_stranger(scene: Scene) -> None:
    """To a user without a right to it, a private repository looks exactly like one that is not there.

    Needs `private`.
    """
    check_hidden(scene, scene.expect["private"]["stranger"], 404)


@case()
def private_reader(scene: Scene) -> None:
    """To its readers, a private repository is like any other, and says that it is private.

    Needs `private`.
    """
    private = scene.expect["private"]
    named, token, name = hidden_of(scene), private["reader"], private["path"]
    info = scene.api.repo_info(**named, token=token, files_metadata=True)
    check_equal("`private`", info.private, True)
    check(scene.api.repo_exists(**named, token=token), "repo_exists denies it")
    sizes = {sibling.rfilename: sibling.size for sibling in info.siblings}
    check(name in sizes, f"`{name}` is not among the files {sorted(sizes)}")
    path = hf_hub_download(filename=name, token=token, **named)
    entry = private.get("files", {}).get(name)
    if entry is None:
        raise Failure(f"`private` of the expectation does not state `{name}` in `files`")
    check_file(path, name, entry)


@case()
def gated(scene: Scene) -> None:
    """A gated repository is seen by everybody and read by those who were let in.

    Needs `gated`.
    """
    door = scene.expect["gated"]
    named = {"repo_id": door["repo"], "repo_type": door.get("repo_type", "model")}
    for token, status in ((False, 401), (door["stranger"], 403)):
        download = lambda: hf_hub_download(filename=door["path"], token=token, **named)
        error = check_raises(GatedRepoError, f"download with status {status} awaited", download)
        check_refusal("download", error, status)
        check(scene.api.repo_exists(**named, token=token), "repo_exists denies it")
        refused = check_raises(GatedRepoError, "auth_check", lambda: scene.api.auth_check(**named, token=token))
        check_refusal("auth_check", refused, status)
        info = scene.api.repo_info(**named, token=token)
        check_equal("`gated`", info.gated, "manual")
        check_equal("files", {sibling.rfilename for sibling in info.siblings}, set(door["files"]))
        check_equal("tree", set(scene.api.list_repo_files(**named, token=token)), set(door["files"]))
    scene.api.auth_check(**named, token=door["reader"])
    path = hf_hub_download(filename=door["path"], token=door["reader"], **named)
    check_file(path, door["path"], door["files"][door["path"]])


@case()
def access_requests(scene: Scene) -> None:
    """Requests for access are listed, accepted, cancelled and rejected, and access is granted, as on the public hub.

    Needs `steered`.
    """
    door, api = scene.expect["steered"], scene.api
    named = {"repo_id": door["repo"], "repo_type": door.get("repo_type", "model")}
    managed, user, token = {**named, "token": door["maintainer"]}, door["asker"]["user"], door["asker"]["token"]
    lists = {
        "pending": api.list_pending_access_requests,
        "accepted": api.list_accepted_access_requests,
        "rejected": api.list_rejected_access_requests,
    }

    caches: list[Path] = []

    def stands(where: str | None) -> None:
        for status, asked in lists.items():
            users = [request.username for request in asked(**managed) if request.status == status]
            check_equal(f"`{user}` among the {status}", user in users, status == where)
        # A cache of its own for each download: what was downloaded once would be found again.
        caches.append(scene.home / f"cache-{len(caches)}")
        download = lambda: hf_hub_download(filename=door["path"], token=token, cache_dir=caches[-1], **named)
        if where == "accepted":
            check_file(download(), door["path"], door["files"][door["path"]])
        else:
            check_refusal("download", check_raises(GatedRepoError, f"download while {where}", download), 403)

    stands(None)
    compat.ask_access(api.endpoint, door["repo"], door["terms"], token)
    stands("pending")
    asked = next(request for request in api.list_pending_access_requests(**managed) if request.username == user)
    check_equal("the request", (asked.fullname, asked.email, asked.status), (user, None, "pending"))
    check(asked.timestamp.tzinfo is not None, f"the time of the request is {asked.timestamp!r}")
    api.accept_access_request(user=user, **managed)
    stands("accepted")
    api.cancel_access_request(user=user, **managed)
    stands("pending")
    api.reject_access_request(user=user, rejection_reason="no", **managed)
    stands("rejected")
    again = lambda: api.reject_access_request(user=user, rejection_reason="no", **managed)
    check_refusal("the second rejection", check_raises(HfHubHTTPError, "the second rejection", again), 404)
    api.grant_access(user=user, **managed)
    stands("accepted")
    stranger = {**named, "token": door["stranger"]}
    error = check_raises(HfHubHTTPError, "a stranger's list", lambda: list(api.list_pending_access_requests(**stranger)))
    check_refusal("a stranger's list", error, 403)

    api.update_repo_settings(gated=False, **managed)
    check_equal("`gated`", api.repo_info(**named, token=False).gated, False)
    hf_hub_download(filename=door["path"], token=False, cache_dir=scene.home / "open", **named)
    error = check_raises(BadRequestError, "the list of an open repository", lambda: list(lists["pending"](**managed)))
    check_refusal("the list of an open repository", error, 400)
    api.update_repo_settings(gated="auto", **managed)
    check_equal("`gated`", api.repo_info(**named, token=False).gated, "auto")
    api.update_repo_settings(gated="manual", **managed)
    stands("accepted")


@case()
def held(scene: Scene) -> None:
    """A commit that awaits a decision is refused to readers with a reason.

    Needs `held`.
    """
    waiting = scene.expect["held"]
    for what, error in refusals_at(scene, waiting, HfHubHTTPError).items():
        check_refusal(what, error, 403)
        check(error.response.headers.get("x-error-code") is None, f"{what}: a held commit has no `X-Error-Code`")
        check(len(error.response.headers.get("x-error-message", "")) > 10, f"{what} gives no reason")


@case()
def recalled(scene: Scene) -> None:
    """A commit that was withdrawn is disabled, which clients do not take for missing.

    Needs `recalled`.
    """
    for what, error in refusals_at(scene, scene.expect["recalled"], DisabledRepoError).items():
        check_refusal(what, error, 403)


@case()
def bad_token(scene: Scene) -> None:
    """A token of this hub that does not work is an error everywhere, even where none is needed.

    Needs `bad_tokens`.
    """
    tokens, name = scene.expect["bad_tokens"], min(scene.files)
    check(bool(tokens), "`bad_tokens` is empty, so the case would prove nothing")
    for fault, token in tokens.items():
        error = check_raises(compat.WhoamiError, f"whoami with a {fault} token", lambda: scene.api.whoami(token=token))
        check_equal("status of whoami", error.response.status_code, 401)
        for what, call in reads(scene, scene.named, name, token).items():
            error = check_raises(HfHubHTTPError, f"{what} with a {fault} token", call)
            check_refusal(what, error, 401)
            text = error.response.headers.get("x-error-message")
            check_equal(f"`X-Error-Message` of {what}", text, BAD_CREDENTIALS)


@case()
def foreign_token(scene: Scene) -> None:
    """A token of another hub, which clients send by themselves, is like none: public things stay public.

    Needs `foreign_token`.
    """
    token = scene.expect["foreign_token"]
    check_equal("sha", scene.api.repo_info(**scene.named, revision=scene.revision, token=token).sha, scene.commit)
    name = min(scene.files)
    path = hf_hub_download(filename=name, revision=scene.revision, token=token, **scene.named)
    check_file(path, name, scene.files[name])
    scene.api.auth_check(**scene.named, token=token)
    error = check_raises(compat.WhoamiError, "whoami", lambda: scene.api.whoami(token=token))
    check_equal("status of whoami", error.response.status_code, 401)
    named = {"repo_id": scene.repo + "-nowhere", "repo_type": scene.kind}
    error = check_raises(RepositoryNotFoundError, "a missing repo", lambda: scene.api.repo_info(**named, token=token))
    check_equal("status of a missing repo", error.response.status_code, 401)


@case()
def upload_refused(scene: Scene) -> None:
    """What this hub does not take is refused at once, with a reason, and changes nothing.

    Needs `whoami`.
    """
    api, token = scene.api, scene.expect["whoami"]["token"]
    named = {**scene.named, "token": token}
    # As large a file as goes through LFS or Xet on other hubs, and one that would go into the commit.
    large = scene.home / "large.bin"
    large.write_bytes(bytes(11_000_000))
    attempts: dict[str, Callable[[], Any]] = {
        "create_repo": lambda: api.create_repo(scene.repo + "-new", repo_type=scene.kind, token=token, **sdk_of(scene)),
        "upload_file": lambda: api.upload_file(path_or_fileobj=b"{}", path_in_repo="new.json", **named),
        "upload_file of a large file": lambda: api.upload_file(path_or_fileobj=large, path_in_repo="large.bin", **named),
        "delete_file": lambda: api.delete_file(min(scene.files), **named),
        "create_branch": lambda: api.create_branch(branch="new", **named),
        "create_tag": lambda: api.create_tag(tag="new", **named),
        "delete_repo": lambda: api.delete_repo(**named),
    }
    for what, call in attempts.items():
        mark = scene.wire.mark()
        error = check_raises(HfHubHTTPError, what, call)
        check_refusal(what, error, 404)
        check("is not part of this hub" in str(error), f"{what} says {str(error)!r}")
        check(len(scene.wire.since(mark)) <= 2, f"{what} was tried again: {list(map(str, scene.wire.since(mark)))}")
    check_equal("commit afterwards", api.repo_info(**scene.named, revision=scene.revision).sha, scene.commit)
    check_equal("files afterwards", set(api.list_repo_files(**scene.named)), set(scene.files))


def sdk_of(scene: Scene) -> dict[str, str]:
    """What else a repository of this kind needs to be created with."""
    return {"space_sdk": "static"} if scene.kind == "space" else {}


def hidden_of(scene: Scene) -> dict[str, str]:
    """Keyword arguments that name the private repository."""
    private = scene.expect["private"]
    return {"repo_id": private["repo"], "repo_type": private.get("repo_type", "model")}


def check_hidden(scene: Scene, token: str | bool, status: int) -> None:
    """Fails unless every read of the private repository is refused just as for one that does not exist."""
    private = scene.expect["private"]
    named = hidden_of(scene)
    # As long as the private one, so that lengths can be compared as well.
    absent = {**named, "repo_id": private["repo"][:-1] + ("y" if private["repo"].endswith("x") else "x")}
    there = reads(scene, named, private["path"], token)
    nowhere = reads(scene, absent, private["path"], token)
    for what in there:
        error = check_raises(RepositoryNotFoundError, f"{what} of the private repository", there[what])
        other = check_raises(RepositoryNotFoundError, f"{what} of no repository", nowhere[what])
        check_refusal(what, error, status)
        check_equal(
            f"answer to {what}, compared with no repository",
            face_of(error, named["repo_id"]),
            face_of(other, absent["repo_id"]),
        )
    check_equal("repo_exists", scene.api.repo_exists(**named, token=token), False)
    check_equal("file_exists", scene.api.file_exists(**named, filename=private["path"], token=token), False)
    kinds = f"list_{named['repo_type']}s"
    listed = [item.id for item in getattr(scene.api, kinds)(author=private["repo"].split("/")[0], token=token)]
    check(private["repo"] not in listed, f"the private repository is listed by {kinds}")


def reads(
    scene: Scene, named: dict[str, str], path: str, token: str | bool | None, revision: str | None = None
) -> dict[str, Callable[[], Any]]:
    """Every way of reading a repository, ready to be called."""
    api, at = scene.api, {**named, "token": token, "revision": revision}
    calls: dict[str, Callable[[], Any]] = {
        "repo_info": lambda: api.repo_info(**at),
        "list_repo_tree": lambda: list(api.list_repo_tree(**at)),
        "get_paths_info": lambda: api.get_paths_info(**at, paths=[path]),
        "list_repo_commits": lambda: api.list_repo_commits(**at),
        "hf_hub_download": lambda: hf_hub_download(**at, filename=path),
    }
    if revision is None:
        calls["list_repo_refs"] = lambda: api.list_repo_refs(**named, token=token)
    # A commit id is not looked up by a snapshot: it goes straight to the tree, which is asked above.
    if revision is None or len(revision) != 40:
        calls["snapshot_download"] = lambda: snapshot_download(**at)
    return calls


def refusals_at(scene: Scene, place: Any, kind: type[Exception]) -> dict[str, Any]:
    """The errors of this kind that reading a forbidden revision ends in."""
    named = {"repo_id": place["repo"], "repo_type": place.get("repo_type", "model")}
    calls = reads(scene, named, "README.md", place.get("token"), place["revision"])
    errors = {what: check_raises(kind, what, calls[what]) for what in ("repo_info", "list_repo_tree")}
    # A refusal other than 401, gated or missing is taken for a lost connection by a download: the cause tells.
    error = check_raises(LocalEntryNotFoundError, "hf_hub_download", calls["hf_hub_download"])
    check_equal("cause of the failed download", type(error.__cause__), kind)
    return {**errors, "hf_hub_download": error.__cause__}


def check_refusal(what: str, error: Any, status: int) -> None:
    """Fails unless the refusal has this status, a reason for people, and no trace of a commit."""
    response = error.response
    check_equal(f"status of {what}", response.status_code, status)
    text = response.headers.get("x-error-message", "")
    check(bool(text) and text.isascii(), f"`X-Error-Message` of {what} is {text!r}")
    check("x-repo-commit" not in response.headers, f"the refusal of {what} has an `X-Repo-Commit`")


def face_of(error: Any, repo: str) -> dict[str, Any]:
    """All that tells one refusal from another, with the repository's name taken out."""
    response = error.response
    own = {"date", "x-request-id", "x-amzn-trace-id", "ratelimit"}
    headers = {name.lower(): value.replace(repo, "REPO") for name, value in response.headers.items()}
    return {
        "status": response.status_code,
        "body": (compat.body_of(response) or "").replace(repo, "REPO"),
        **{name: value for name, value in headers.items() if name not in own},
    }
