"""Speaks to the service over HTTP."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPRedirectHandler, Request, build_opener

from thumbnail_client.errors import ServiceError, TimedOut, Unreachable
from thumbnail_client.urls import Value, sign, text_of

_PICTURES = "image/*,application/pdf"
_ENDED = ("completed", "failed")
_PAUSE = 2.0  # seconds between two looks at a job, unless the service says how many


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, or a PDF. `cache` is HIT, STALE or MISS; `note` says what the picture leaves out."""

    body: bytes
    content_type: str
    cache: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A permanent picture."""

    url: str
    created: bool  # False if it was there before
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as `GET /jobs/{id}` shows it. A job that failed has an `error`."""

    id: str
    status: str
    image_url: str | None
    error: ServiceError | None
    answer: Mapping[str, Any]

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


class Client:
    """A client of the service at `base_url`, such as http://localhost:8000, with one of its `API_KEYS` if it has any.

    `metadata` needs one of its `SIGNING_KEYS` too, where they are set; with that alone, `capture` signs its request. Redirects are not followed. All methods raise ServiceError for an error of the service, and Unreachable if it gives no answer in `timeout` seconds.
    """

    def __init__(
        self, base_url: str, api_key: str | None = None, *, signing_key: str | None = None, timeout: float = 90
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError("base_url: must start with http:// or https://")
        self._base = base_url.rstrip("/")
        self._headers = {"User-Agent": "thumbnail-client"} | ({"X-API-Key": api_key} if api_key else {})
        self._signing_key = signing_key
        self._signs = signing_key is not None and api_key is None
        self._timeout = timeout

    def capture(self, url: str, **options: Value) -> Picture:
        """Return the picture of the page `url`, with the options of `/thumb`. Waits for a capture if it is not known."""
        if self._signs:
            body, headers, _ = self._ask("GET", "/thumb?" + self._signed(url, options), accept=_PICTURES)
        else:
            body, headers, _ = self._ask("POST", "/thumb", {"url": url, **options}, accept=_PICTURES)
        return Picture(body, headers.get_content_type(), headers.get("X-Cache", ""), headers.get("X-Thumb-Note", ""))

    def persist(self, url: str, **options: Value) -> Kept:
        """Store the picture of the page `url` for ever, and return where it is."""
        answer, _, status = self._ask_for_json("POST", "/persist", {"url": url, **options})
        return Kept(urljoin(f"{self._base}/", answer["url"]), status == 201, answer)

    def metadata(self, url: str, **options: Value) -> dict[str, Any]:
        """Return what the page `url` says of itself: title, description, icon and more."""
        return self._ask_for_json("GET", "/meta?" + self._signed(url, options))[0]

    def create_job(self, url: str, *, webhook_url: str | None = None, persist: bool = False, **options: Value) -> Job:
        """Have the page `url` captured in the background."""
        body: dict[str, object] = {"url": url, **options}
        body |= ({"webhook_url": webhook_url} if webhook_url else {}) | ({"persist": True} if persist else {})
        return _job(self._ask_for_json("POST", "/screenshots", body)[0])

    def job(self, id_: str) -> Job:
        """Return how a job is doing."""
        return _job(self._ask_for_json("GET", f"/jobs/{id_}")[0])

    def wait(self, job: Job, seconds: float = 300) -> Job:
        """Return `job` once it has completed. Raises its ServiceError if it fails, TimedOut after `seconds`."""
        until, pause = time.monotonic() + seconds, _PAUSE
        while not job.ended:
            left = until - time.monotonic()
            if left <= 0:
                raise TimedOut(f"job {job.id} is {job.status} after {seconds:g} seconds")
            time.sleep(min(pause, left))
            answer, headers, _ = self._ask_for_json("GET", f"/jobs/{job.id}")
            job, pause = _job(answer), _retry_after(headers) or _PAUSE
        if job.error:
            raise job.error
        return job

    def job_picture(self, job: Job) -> Picture:
        """Return the picture of a completed job."""
        body, headers, _ = self._ask("GET", f"/jobs/{job.id}/image")
        return Picture(body, headers.get_content_type(), note=headers.get("X-Thumb-Note", ""))

    def sites(self, **filters: str | int | Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield all sites of the catalogue that the filters of `GET /sites` find, page by page. A list repeats its filter."""
        given = dict(filters)
        while True:
            page = self.page_of_sites(**given)
            yield from page["sites"]
            if not page["next"]:
                return
            given["cursor"] = page["next"]

    def page_of_sites(self, **filters: str | int | Sequence[str]) -> dict[str, Any]:
        """Return one page of the sites that the filters find: `sites`, `total`, and `next`, the `cursor` of the page after it. `tag` may be several."""
        return self._ask_for_json("GET", "/sites?" + urlencode(filters, doseq=True))[0]

    def site(self, id_: int) -> dict[str, Any]:
        """Return a site."""
        return self._ask_for_json("GET", f"/sites/{id_}")[0]

    def add_site(self, url: str, **fields: object) -> dict[str, Any]:
        """Add a site to the catalogue: title, note, tags, options, schedule, keep, paused, capture."""
        return self._ask_for_json("POST", "/sites", {"url": url, **fields})[0]

    def change_site(self, id_: int, *, revision: int | None = None, **fields: object) -> dict[str, Any]:
        """Change a site. With its `revision`, the change fails if the site was edited in between."""
        return self._ask_for_json("PATCH", f"/sites/{id_}", fields, revision=revision)[0]

    def remove_site(self, id_: int, *, revision: int | None = None) -> None:
        """Remove a site and its history."""
        self._ask("DELETE", f"/sites/{id_}", revision=revision)

    def capture_site(self, id_: int) -> dict[str, Any]:
        """Have a site captured now."""
        return self._ask_for_json("POST", f"/sites/{id_}/capture", {})[0]

    def versions(self, id_: int) -> Iterator[dict[str, Any]]:
        """Yield how a site looked, the newest version first."""
        query: dict[str, str] = {}
        while True:
            page, _, _ = self._ask_for_json("GET", f"/sites/{id_}/versions?" + urlencode(query))
            yield from page["versions"]
            if not page["next"]:
                return
            query["cursor"] = page["next"]

    def difference(self, id_: int, older: int, newer: int) -> dict[str, Any]:
        """Compare two versions of a site: how much changed, in percent, and where."""
        return self._ask_for_json("GET", f"/sites/{id_}/diff?from={older}&to={newer}&format=json")[0]

    def difference_picture(self, id_: int, older: int, newer: int) -> Picture:
        """Compare two versions of a site, as a picture that shows what changed in colour."""
        body, headers, _ = self._ask("GET", f"/sites/{id_}/diff?from={older}&to={newer}&format=png")
        return Picture(body, headers.get_content_type())

    def _signed(self, url: str, options: Mapping[str, Value]) -> str:
        given = {"url": url} | {name: text_of(value) for name, value in options.items()}
        if self._signing_key:
            given["sig"] = sign(self._signing_key, given)
        return urlencode(given)

    def _ask_for_json(
        self, method: str, path: str, body: object = None, *, revision: int | None = None
    ) -> tuple[dict[str, Any], Message, int]:
        answer, headers, status = self._ask(method, path, body, revision=revision)
        try:
            found = json.loads(answer)
        except ValueError:
            raise Unreachable(f"{self._base} answered {status} without JSON: is it the thumbnail service?") from None
        return found, headers, status

    def _ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        accept: str = "application/json",
        revision: int | None = None,
    ) -> tuple[bytes, Message, int]:
        headers = self._headers | {"Accept": accept}
        if revision is not None:
            headers["If-Match"] = f'"{revision}"'
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = Request(self._base + path, data, headers, method=method)  # noqa: S310 - the caller's own service
        try:
            with _opened(request, self._timeout) as answer:
                found, headers, status = answer.read(), answer.headers, answer.status
        except (OSError, HTTPException) as err:
            raise Unreachable(f"{self._base} gives no answer: {getattr(err, 'reason', err)}") from None
        # A picture that is pending is a problem too, with status 202.
        if status >= 300 or headers.get_content_type() == "application/problem+json":
            raise ServiceError(status, _problem(found), _retry_after(headers))
        return found, headers, status


class _NoRedirects(HTTPRedirectHandler):
    """A redirect would take the API key to another host."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing: the redirect becomes an error."""


_opener = build_opener(_NoRedirects)


def _opened(request: Request, timeout: float) -> Any:
    """Return the answer, whatever its status is."""
    try:
        return _opener.open(request, timeout=timeout)
    except HTTPError as err:
        return err


def _job(answer: Mapping[str, Any]) -> Job:
    error = answer.get("error")
    return Job(
        answer["job_id"],
        answer["status"],
        answer.get("image_url"),
        ServiceError(error["status"], error) if error else None,
        answer,
    )


def _problem(body: bytes) -> Mapping[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(headers: Message) -> float | None:
    given = headers.get("Retry-After", "")
    return float(given) if given.isascii() and given.isdigit() else None
