"""Cases about what is gathered around repositories: collections, users, organisations, and who touched what."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from huggingface_hub import HfFileSystem
from huggingface_hub.errors import HfHubHTTPError

import command_line
from harness import Scene, case, check, check_equal, check_raises


@case()
def collections(scene: Scene) -> None:
    """Collections are listed, filtered and read, and hidden ones are missing.

    Needs `collection`.
    """
    stated = scene.expect["collection"]
    check_collection(scene.api.get_collection(stated["slug"], token=False), stated, stated["items"])
    item = "{}s/{}".format(*stated["items"][0])
    for arguments in ({}, {"owner": stated["owner"]}, {"item": item}, {"sort": "lastModified", "limit": 1}):
        seen = list(scene.api.list_collections(**arguments, token=False))
        check_equal(f"collections by {arguments}", [found.slug for found in seen], [stated["slug"]])
        check_equal("positions", [found.position for found in seen], [0])
        check_collection(seen[0], stated, stated["items"][:4])
    for arguments in ({"owner": "nobody"}, {"item": "models/acme/private"}, {"item": "papers/2311.12983"}):
        check_equal(f"collections by {arguments}", list(scene.api.list_collections(**arguments, token=False)), [])
    seen = {found.slug for found in scene.api.list_collections(token=stated["reader"])}
    check_equal("collections of a reader", seen, {stated["slug"], stated["hidden"]})
    check_equal("title", scene.api.get_collection(stated["hidden"], token=stated["reader"]).title, "Hidden")
    for slug in (stated["hidden"], "acme/none-0123456789abcdef01234567"):
        check_missing(f"collection `{slug}`", lambda slug=slug: scene.api.get_collection(slug, token=False))


def check_collection(seen: Any, stated: dict, items: list) -> None:
    """Compares a collection to the expectation."""
    check_equal("slug and title", (seen.slug, seen.title), (stated["slug"], stated["title"]))
    check_equal("description", seen.description, stated["description"])
    check_equal("owner", seen.owner["name"], stated["owner"])
    check_equal("items", [[item.item_type, item.item_id] for item in seen.items], items)
    check_equal("note", seen.items[0].note, stated["note"])
    check_equal("private, upvotes", (seen.private, seen.upvotes), (False, 0))
    check(isinstance(seen.last_updated, datetime), f"`last_updated` is {seen.last_updated!r}")


@case(since=(1, 0))
def hf_collections(scene: Scene) -> None:
    """`hf collections ls` and `info`.

    Needs `collection`.
    """
    stated = scene.expect["collection"]
    listed = json.loads(command_line.hf(scene, "collections", "ls", "--owner", stated["owner"], "--json"))
    check_equal("slugs that `hf collections ls` tells", [found["slug"] for found in listed], [stated["slug"]])
    told = json.loads(command_line.hf(scene, "collections", "info", stated["slug"], "--json"))
    check_equal("title", told["title"], stated["title"])
    items = [[item["item_type"], item["item_id"]] for item in told["items"]]
    check_equal("items that `hf collections info` tells", items, stated["items"])
    plain = command_line.hf(scene, "collections", "info", stated["slug"])
    check(stated["slug"] in plain, f"`hf collections info` says {plain!r}")


@case()
def people(scene: Scene) -> None:
    """Users, organisations and members are told of to those who are known; likes and followers are none.

    Needs `people`.
    """
    stated = scene.expect["people"]
    token, user, organization = stated["token"], stated["user"], stated["organization"]
    seen = scene.api.get_user_overview(user, token=token)
    check_equal("user", (seen.username, seen.num_models, seen.num_likes), (user, 0, 0))
    check_equal("organisations of the user", [org.name for org in seen.orgs], [organization])
    seen = scene.api.get_organization_overview(organization, token=token)
    counts = (seen.num_users, seen.num_models, seen.num_datasets, seen.num_spaces)
    check_equal("organisation", (seen.name, *counts), (organization, *stated["counts"]))
    seen = scene.api.get_organization_overview(organization, token=False)
    check_equal("members as strangers are told", seen.num_users, None)
    members = scene.api.list_organization_members(organization, token=token)
    check_equal("members", [member.username for member in members], stated["members"])
    nobody = {
        "followers of a user": scene.api.list_user_followers(user, token=token),
        "whom a user follows": scene.api.list_user_following(user, token=token),
        "likers": scene.api.list_repo_likers(**scene.named, token=token),
    }
    if hasattr(scene.api, "list_organization_followers"):
        nobody["followers"] = scene.api.list_organization_followers(organization, token=token)
    for what, listed in nobody.items():
        check_equal(what, list(listed), [])
    check_equal("likes", scene.api.list_liked_repos(user, token=token).total, 0)
    check_missing("a missing user", lambda: scene.api.get_user_overview("nobody-here", token=token))
    check_missing("an organisation as a user", lambda: scene.api.get_user_overview(organization, token=token))
    check_missing("a missing organisation", lambda: scene.api.get_organization_overview("nobody-here", token=False))
    orgs = scene.api.whoami(token=stated["member"])["orgs"]
    check_equal("own organisations", [(org["name"], org["roleInOrg"]) for org in orgs], [(organization, "read")])


@case()
def last_commits(scene: Scene) -> None:
    """Paths and the file system tell the commit that last touched each file.

    Needs `last_commits`.
    """
    stated = scene.expect["last_commits"]
    titles = {item["id"]: item["title"] for item in scene.expect["commits"]}
    seen = scene.api.get_paths_info(**scene.named, paths=list(stated), revision=scene.revision, expand=True)
    check_equal("last commits", {entry.path: entry.last_commit.oid for entry in seen}, stated)
    for entry in seen:
        check_equal(f"title of the last commit of `{entry.path}`", entry.last_commit.title, titles[stated[entry.path]])
    tree = scene.api.list_repo_tree(**scene.named, recursive=True, expand=True)
    touched = {entry.path: entry.last_commit.oid for entry in tree if entry.path in stated}
    check_equal("last commits of the tree", touched, stated)
    files = HfFileSystem(endpoint=scene.endpoint, token=False)
    for path, commit in stated.items():
        info = files.info(f"{scene.repo}/{path}", expand_info=True)
        check_equal(f"last commit of `{path}` in the file system", info["last_commit"].oid, commit)
    check(len(set(stated.values())) > 1, "all files were touched by one commit, so the case would prove nothing")


def check_missing(what: str, call: Any) -> None:
    """Demands a 404."""
    error = check_raises(HfHubHTTPError, what, call)
    check_equal(f"status of {what}", error.response.status_code, 404)
