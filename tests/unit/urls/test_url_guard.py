"""Every line of the SSRF corpus gets its expected verdict, with a stub resolver that answers as the line says."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from errors import BlockedTarget, InvalidOption, InvalidURL, ThumbnailError
from netguard import Guard
from options import CaptureOptions, Target, chosen
from urls import locate, over_http, parse_typed_url, parse_url, read_capture, read_query

CORPUS = Path(__file__).parents[2] / "data" / "ssrf-corpus.tsv"


@dataclass
class Case:
    url: str
    verdict: str
    kind: str
    note: str

    def value(self, name: str) -> str | None:
        return next((w.removeprefix(f"{name}=") for w in self.note.split() if w.startswith(f"{name}=")), None)


def cases():
    for line in CORPUS.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        text, verdict, kind, *note = line.split("\t")
        yield Case(json.loads(f'"{text}"'), verdict, kind, " ".join(note))


ALL = list(cases())
KINDS = list(dict.fromkeys(case.kind for case in ALL))


def of_kind(kind: str) -> list[Case]:
    """Lines of the corpus. One test each would cost more than the lines themselves."""
    return [case for case in ALL if case.kind == kind]


class StubResolver:
    """Resolves names as the corpus's `dns=` says, and counts its calls."""

    def __init__(self, answer: str | None) -> None:
        self.answers = (answer or "").split(";then=")
        self.asked = 0

    def __call__(self, name: str) -> list[str]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if answer == "TIMEOUT":
            raise TimeoutError
        if answer in ("NXDOMAIN", "NODATA", "SERVFAIL", ""):
            raise OSError(answer)
        return answer.split(",")


def judge(url: str, guard: Guard) -> str:
    """Judge as the service does on a miss: the syntax at the door, then one look-up."""
    try:
        target = parse_url(url, guard)
    except ThumbnailError:
        return "reject"
    return "accept" if guard.judge(target.host, target.port).ok else "reject"


def test_the_corpus_is_all_there():
    assert len(ALL) == 521


@pytest.mark.parametrize("kind", KINDS)
def test_the_guard_gives_the_expected_verdict(kind):
    wrong = []
    for case in of_kind(kind):
        resolver = StubResolver(case.value("dns"))
        verdict = judge(case.url, Guard(lookup=resolver))
        most_lookups = 0 if case.value("dns") is None else 1
        if verdict != case.verdict or resolver.asked > most_lookups:
            wrong.append((case, verdict, resolver.asked))
    assert wrong == []


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://EXAMPLE.com./a#part", "https://example.com/a"),
        ("https://example.com/#/route", "https://example.com/#/route"),
        ("https://example.com/#!route", "https://example.com/#!route"),
    ],
)
def test_only_a_fragment_that_chooses_a_page_stays(url, canonical):
    assert parse_url(url, Guard()).url == canonical


def test_an_empty_url_is_called_missing():
    with pytest.raises(InvalidURL, match="is missing"):
        parse_url("", Guard())


def test_a_stored_url_is_parsed_as_it_was_when_the_caller_sent_it():
    sent = parse_url("https://example.com:443/a?b=c#top", Guard())
    assert locate(sent.url) == sent
    assert locate("http://[2606:4700::1111]:8080/") == Target(
        "http://[2606:4700::1111]:8080/", "[2606:4700::1111]", 8080
    )


DOCUMENTS = ["document:0a1b", "card:article@1?title=x", "DOCUMENT:0a1b", "document://example.com/"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_caller_cannot_name_a_document_as_a_url(name):
    for parse in (parse_url, parse_typed_url):
        with pytest.raises((InvalidURL, BlockedTarget)):
            parse(name, Guard())


def test_the_name_of_a_document_is_stored_as_a_url_is():
    for name in DOCUMENTS[:2]:
        target = locate(name)
        assert (target.url, target.host, target.netloc) == (name, "", name.partition("?")[0])
        assert target.is_document
        assert read_capture(chosen(CaptureOptions(target))) == CaptureOptions(target)
    assert not locate("https://example.com/document:0a1b").is_document
    with pytest.raises(ValueError, match="begins with one of"):
        Target.of_document("https://example.com/")


@pytest.mark.parametrize(
    "options",
    [
        CaptureOptions(Target("https://example.com/", "example.com", 443)),
        CaptureOptions(
            Target("http://example.com:8080/", "example.com", 8080), width=640, full_page=True, format="pdf"
        ),
    ],
    ids=["defaults", "others"],
)
def test_stored_capture_options_are_read_back(options):
    assert read_capture(json.loads(json.dumps(chosen(options)))) == options


@pytest.mark.parametrize(("medium", "format_"), [("screen", "png"), ("print", "pdf")])
def test_capture_options_that_version_1_stored_are_read(medium, format_):
    stored = {"url": "https://example.com/", "width": 640, "medium": medium}
    assert read_capture(stored) == CaptureOptions(
        Target("https://example.com/", "example.com", 443), width=640, format=format_
    )


@pytest.mark.parametrize(
    ("query", "pairs"),
    [
        (b"url=https://a.example/%C3%A9&w=64", [("url", "https://a.example/é"), ("w", "64")]),
        (b"url=https://a.example/caf%E9", [("url", "https://a.example/caf%E9")]),
        (b"url=https://a.example/caf\xe9", [("url", "https://a.example/caf%E9")]),
        (b"w=64", [("w", "64")]),
        (b"css=%C3%A9", [("css", "é")]),
    ],
)
def test_a_query_keeps_the_bytes_of_the_url(query, pairs):
    assert read_query(query) == pairs


@pytest.mark.parametrize("query", [b"css=%E9", b"%E9=1", b"&".join([b"a=1"] * 500)])
def test_a_query_that_cannot_be_read_is_refused(query):
    with pytest.raises(InvalidOption):
        read_query(query)


@pytest.mark.parametrize(
    ("typed", "ports", "url", "http_too"),
    [
        ("example.com/a?b=c", (80, 443), "https://example.com/a?b=c", True),
        ("//Example.com", (80, 443), "https://example.com/", True),
        ("[2606:4700::1111]/x", (80, 443), "https://[2606:4700::1111]/x", True),
        ("example.com:443/", (80, 443), "https://example.com/", False),
        ("example.com:80", (80, 443), "http://example.com/", False),
        ("example.com:8443/a", (80, 443, 8443), "https://example.com:8443/a", True),
        ("example.com", (443,), "https://example.com/", False),
        ("example.com", (80,), "http://example.com/", False),
        ("https://example.com/", (80, 443), "https://example.com/", False),
        ("https%3A%2F%2Fexample.com%2Fa%3Fb%3Dc", (80, 443), "https://example.com/a?b=c", False),  # encoded twice
    ],
)
def test_a_url_without_a_scheme_is_judged_by_each_that_it_may_get(typed, ports, url, http_too):
    target, tries_http = parse_typed_url(typed, Guard(frozenset(ports)))
    assert (target.url, tries_http) == (url, http_too)
    assert over_http(target).scheme == "http"
    assert over_http(over_http(target)) == over_http(target)


@pytest.mark.parametrize(
    "typed",
    [
        "10.0.0.1",
        "127.0.0.1:443/",
        "127.0.0.1:80",
        "[::1]/",
        "169.254.169.254/latest",
        "a.b:22",
        "http%3A%2F%2F127.0.0.1%2F",
    ],
)
@pytest.mark.parametrize("ports", [(80, 443), (443,), (80,)])
def test_an_inside_address_without_a_scheme_is_refused_as_with_one(typed, ports):
    with pytest.raises(BlockedTarget):
        parse_typed_url(typed, Guard(frozenset(ports)))
