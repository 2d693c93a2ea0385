"""What differs between the generations of huggingface_hub, in one place: 0.36 (requests), 1.x and 2.x (httpx).

Cases speak of one client; where generations spell the same thing differently, they ask here. What a generation cannot
do at all is not bridged: such a case is registered with `since`, and the table of cases says why older ones lack it.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from typing import Any

from huggingface_hub import errors
from huggingface_hub.utils import get_session

VERSION: tuple[int, ...] = tuple(int(part) for part in importlib.metadata.version("huggingface_hub").split(".")[:2])
ON_REQUESTS = VERSION < (1, 0)

# 0.36 has one error for what is absent on the hub and what is absent in the cache; later ones tell them apart.
RemoteEntryNotFoundError: type[Exception] = getattr(errors, "RemoteEntryNotFoundError", errors.EntryNotFoundError)

# `whoami` of 0.36 wraps the refusal of a token in the transport's own error.
WhoamiError: type[Exception] = errors.HfHubHTTPError
# What a transfer that is cut ends in, where the client does not go on by itself.
CutError: type[Exception] = errors.HfHubHTTPError
if ON_REQUESTS:
    from requests import HTTPError as WhoamiError
    from requests.exceptions import ChunkedEncodingError as CutError


def ask_access(endpoint: str, repo: str, terms: str, token: str) -> None:
    """Accepts the terms of a model and asks for access, which no generation has a call for."""
    url = f"{endpoint}/api/models/{repo}/ask-access"
    headers = {"authorization": f"Bearer {token}"}
    get_session().post(url, json={"terms": terms}, headers=headers).raise_for_status()


# Before trees were kept on disk, a snapshot by commit id asked for the list of files again.
LISTS_AGAIN_BY_COMMIT = ON_REQUESTS
# The file system's streams of 0.36 send their request when they are made, so their place cannot be set before.
STREAMS_AT_ONCE = ON_REQUESTS

# How the `hf` command takes the kind of a repository.
TYPE_OPTION = "--repo-type" if ON_REQUESTS else "--type"
# The words of `hf` for what is not there, in lower case; `{kind}` and `{repo}` are filled in.
SAYINGS = {
    "repo": "{kind} '{repo}' not found",
    "revision": "revision not found in",
    "entry": "file not found in",
}
if ON_REQUESTS:
    SAYINGS = {
        "repo": "repository not found for url",
        "revision": "revision not found for url",
        "entry": "entry not found for url",
    }
# Whether the command shows its own stack where something is not there, as 0.36 does.
SHOWS_TRACEBACK = ON_REQUESTS

RequestHook = Callable[[str, str, str], None]
ResponseHook = Callable[[str, str, int, dict[str, str], dict[str, str]], None]


def watch(on_request: RequestHook, on_response: ResponseHook) -> None:
    """Makes every request of huggingface_hub's own session pass by these two.

    They are given method, host and URL, and then method, path, status, and the headers of request and response.
    """
    (watch_requests if ON_REQUESTS else watch_httpx)(on_request, on_response)


def watch_requests(on_request: RequestHook, on_response: ResponseHook) -> None:
    """As `watch`, for the generation that is built on `requests`."""
    from urllib.parse import urlsplit

    import requests
    from huggingface_hub import configure_http_backend
    from huggingface_hub.utils._http import UniqueRequestIdAdapter

    # The adapter sends each hop of a redirect by itself.
    class Watched(UniqueRequestIdAdapter):
        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            on_request(request.method, urlsplit(request.url).netloc, request.url)
            response = super().send(request, *arguments, **options)
            on_response(
                request.method, request.path_url, response.status_code, lower(request.headers), lower(response.headers)
            )
            return response

    def factory() -> Any:
        session = requests.Session()
        session.mount("http://", Watched())
        session.mount("https://", Watched())
        return session

    configure_http_backend(factory)


def watch_httpx(on_request: RequestHook, on_response: ResponseHook) -> None:
    """As `watch`, for the generations that are built on `httpx`."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def before(request: Any) -> None:
        on_request(request.method, request.url.netloc.decode(), str(request.url))

    def after(response: Any) -> None:
        request = response.request
        path = request.url.raw_path.decode()
        on_response(request.method, path, response.status_code, lower(request.headers), lower(response.headers))

    def factory() -> Any:
        client = default_client_factory()
        hooks = client.event_hooks
        hooks["request"].append(before)
        hooks["response"].append(after)
        client.event_hooks = hooks
        return client

    set_client_factory(factory)


def lower(headers: Any) -> dict[str, str]:
    """Headers with names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def body_of(response: Any) -> str | None:
    """The text of an answer, if the client has read it."""
    read = isinstance(getattr(response, "_content", None), bytes)
    return response.text if read else None
