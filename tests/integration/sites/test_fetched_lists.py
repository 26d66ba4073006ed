"""Lists that are fetched: which addresses may be asked, what a hostile server can do, and the sitemaps below a sitemap."""

import gzip
import ssl
import time

import pytest

from errors import (
    BlockedTarget,
    ErrorStatus,
    InvalidOption,
    InvalidURL,
    OverCapacity,
    PageTimeout,
    SiteUnreachable,
    ThumbnailError,
    TooManyRedirects,
)
from images import CpuPool
from netguard import Guard, exemptions
from netguard.resolver import Busy
from sites.imports import fetching, sitemap_tree
from sites.imports.candidates import MAX_BYTES, Candidate, ListKind, RefusedLine
from sites.imports.fetching import ListFetcher
from sites.imports.reading import ListReader
from tests.support.processes import free_port
from tests.support.receiver import certificates
from tests.support.resolvers import Answers
from tests.support.site import running_site
from tests.support.victims import running_victims
from tests.unit.urls.test_url_guard import ALL, KINDS, StubResolver, of_kind

NAME = "lists.example"
TLS = ssl.create_default_context()  # reading the system's certificates takes a while
LIST = "https://a.example/\nhttps://b.example/\n"


@pytest.fixture(scope="module")
def server():
    with running_site() as site:
        yield site


@pytest.fixture
def site(server):
    server.routes.clear()
    server.requests.clear()
    return server


def fetcher_for(*exempt, lookup=None, tls=TLS):
    return ListFetcher(Guard(exempt=exemptions(map(str, exempt)), lookup=lookup or Answers("127.0.0.1")), tls)


def reader_for(*exempt, **more):
    return ListReader(fetcher_for(*exempt, **more), CpuPool(1))


@pytest.fixture
def reader(site):
    return reader_for(f"{NAME}:{site.port}")


def at(site, path):
    return f"http://{NAME}:{site.port}{path}"


def urls(found):
    return [line.url for line in found.lines if isinstance(line, Candidate)]


def test_a_list_of_any_kind_comes_from_a_url(site, reader):
    site.add("/list.txt", LIST, content_type="text/plain")
    site.add("/list", "url,title\nhttps://c.example/,Größe".encode("latin-1"), content_type="text/csv; charset=latin1")
    assert urls(reader.read_url(at(site, "/list.txt"))) == ["https://a.example/", "https://b.example/"]
    assert reader.read_url(at(site, "/list")).lines[0].title == "Größe"
    assert site.requests[0].headers["Host"] == f"{NAME}:{site.port}"


def test_a_compressed_list_is_unpacked_once_for_the_server_and_once_for_the_file(site, reader):
    packed = gzip.compress(LIST.encode())
    site.add("/a.gz", packed, content_type="application/gzip")
    site.add("/b.gz", gzip.compress(packed), headers={"Content-Encoding": "gzip"})
    assert urls(reader.read_url(at(site, "/a.gz"))) == urls(reader.read_url(at(site, "/b.gz"))) == LIST.split()


# Which addresses are asked


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_is_fetched_from_no_address_that_the_guard_refuses(kind, monkeypatch):
    dialled = []

    def connect(_, address):
        dialled.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.socket.connect", connect)
    for case in of_kind(kind):
        with pytest.raises(ThumbnailError) as refused:
            fetcher_for(lookup=StubResolver(case.value("dns"))).fetch(case.url, time.monotonic() + 10)
        expected = (InvalidURL, BlockedTarget) if case.verdict == "reject" else SiteUnreachable
        assert isinstance(refused.value, expected), case
        assert bool(dialled) == (case.verdict == "accept"), case
        dialled.clear()
    assert ALL


def test_the_name_is_looked_up_once_and_the_judged_address_is_asked():
    port = free_port()  # at two addresses
    with running_site("127.0.0.2", port=port) as allowed, running_site(port=port) as victim:
        lookup = Answers("127.0.0.2", "127.0.0.1")
        allowed.add("/", LIST)
        reader = reader_for(f"127.0.0.2/32:{port}", lookup=lookup)
        assert urls(reader.read_url(at(allowed, "/"))) == LIST.split()
        assert lookup.asked == 1
        with pytest.raises(BlockedTarget):  # the second answer is not exempt
            reader.read_url(at(allowed, "/"))
        assert victim.requests == []


def test_tls_is_spoken_with_the_name_to_the_judged_address(tmp_path):
    server, client = certificates(tmp_path, NAME)
    with running_site(tls=server) as site:
        site.add("/", LIST)
        url = f"https://{NAME}:{site.port}/"
        reader = reader_for(f"127.0.0.1/32:{site.port}", tls=client)
        assert urls(reader.read_url(url)) == LIST.split()
        with pytest.raises(SiteUnreachable):
            reader.read_url(url.replace(NAME, "other.example"))


def test_no_proxy_of_the_environment_is_used(site, reader, monkeypatch):
    with running_victims(1) as (victim,):
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{victim.address}")
        site.add("/", LIST)
        assert urls(reader.read_url(at(site, "/"))) == LIST.split()
        assert victim.hits == []


def test_redirects_are_followed(site, reader):
    site.add("/old", status=301, headers={"Location": "new?x=1#part"})
    site.add("/new", status=307, headers={"Location": at(site, "/newest")})
    site.add("/newest", LIST)
    assert urls(reader.read_url(at(site, "/old"))) == LIST.split()


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://VICTIM/", BlockedTarget),
        ("//VICTIM/", BlockedTarget),
        ("http://169.254.169.254/latest/meta-data/", BlockedTarget),
        ("http://localhost/", BlockedTarget),
        ("file:///etc/passwd", InvalidURL),
        ("gopher://VICTIM/", InvalidURL),
        ("http://user:secret@lists.example/", InvalidURL),
        ("http://[::1", InvalidURL),
        ("http://0x7f000001/", InvalidURL),
    ],
)
def test_the_target_of_a_redirect_is_judged_anew(site, reader, location, error):
    with running_victims(1) as (victim,):
        site.add("/", status=302, headers={"Location": location.replace("VICTIM", victim.address)})
        with pytest.raises(error) as refused:
            reader.read_url(at(site, "/"))
        assert refused.value.field == "url"
        assert victim.hits == []


def test_redirects_end(site, reader):
    site.add("/", status=302, headers={"Location": "/"})
    with pytest.raises(TooManyRedirects):
        reader.read_url(at(site, "/"))
    assert site.hits("/") == fetching.MAX_REDIRECTS + 1


# What a server can do


def test_the_status_of_the_server_is_told(site, reader):
    site.add("/", status=503)
    with pytest.raises(ErrorStatus) as refused:
        reader.read_url(at(site, "/"))
    assert (refused.value.detail, refused.value.page_status) == ("url: answered with status 503", 503)


@pytest.mark.parametrize(
    "how",
    [{"hangs_up": True}, {"raw": True, "resets": True, "body": "HTTP/1.1 200 OK\r\n"}, {"raw": True, "body": "junk"}],
)
def test_a_broken_answer_is_a_failed_connection(site, reader, how):
    site.add("/", **how)
    with pytest.raises(SiteUnreachable):
        reader.read_url(at(site, "/"))


def test_a_server_that_is_away_is_a_failed_connection():
    port = free_port()
    with pytest.raises(SiteUnreachable):
        reader_for(f"{NAME}:{port}").read_url(f"http://{NAME}:{port}/")


@pytest.mark.parametrize("how", [{"drips": True}, {"endless": True}])
def test_a_server_that_never_ends_is_cut_off(site, reader, monkeypatch, how):
    monkeypatch.setattr(fetching, "EXCHANGE_SECONDS", 0.5)
    site.add("/", LIST, **how)
    with pytest.raises(PageTimeout):
        reader.read_url(at(site, "/"))


def test_a_body_above_the_limit_is_refused(site, reader):
    site.add("/plain", b"#" * (MAX_BYTES + 1))
    site.add("/bomb", gzip.compress(gzip.compress(bytes(MAX_BYTES * 4))))
    for path in ("/plain", "/bomb"):
        with pytest.raises(InvalidOption, match="MiB"):
            reader.read_url(at(site, path))


def test_without_a_thread_for_the_look_up_the_caller_may_retry():
    def busy(name):
        raise Busy

    with pytest.raises(OverCapacity):
        fetcher_for(lookup=busy).fetch(f"http://{NAME}/", time.monotonic() + 5)


# Sitemaps below a sitemap


def index(*locations):
    return f"<sitemapindex>{''.join(f'<sitemap><loc>{each}</loc></sitemap>' for each in locations)}</sitemapindex>"


def sitemap(*locations):
    return f"<urlset>{''.join(f'<url><loc>{each}</loc></url>' for each in locations)}</urlset>"


def test_sitemaps_of_an_index_are_read_wherever_it_comes_from(site, reader):
    text = index(at(site, "/a.xml"), at(site, "/b.xml.gz"), at(site, "/c.txt"))
    site.add("/sitemap.xml", text)
    site.add("/a.xml", sitemap("https://a.example/"))
    site.add("/b.xml.gz", gzip.compress(sitemap("https://b.example/").encode()))
    site.add("/c.txt", "https://c.example/\n")
    by_url, by_body = reader.read_url(at(site, "/sitemap.xml")), reader.read_body(text.encode())
    assert by_url == by_body
    assert by_url.kind is ListKind.SITEMAP
    assert urls(by_url) == ["https://a.example/", "https://b.example/", "https://c.example/"]
    assert [line.source for line in by_url.lines] == [at(site, path) for path in ("/a.xml", "/b.xml.gz", "/c.txt")]


def test_each_sitemap_is_read_once_even_if_they_lead_in_a_circle(site, reader):
    site.add("/", index(at(site, "/"), at(site, "/a"), at(site, "/a")))
    site.add("/a", index(at(site, "/"), at(site, "/b")))
    site.add("/b", sitemap("https://b.example/"))
    assert urls(reader.read_url(at(site, "/"))) == ["https://b.example/"]
    assert (site.hits("/"), site.hits("/a"), site.hits("/b")) == (1, 1, 1)


def test_a_sitemap_that_cannot_be_read_is_a_refused_line(site, reader):
    wanted = {
        at(site, "/missing"): "answered with status 404",
        "http://10.0.0.1/": "the target is not a public web address, or does not exist",
        at(site, "/bomb"): f"must be at most {MAX_BYTES // 2**20} MiB, unpacked; split it",
        at(site, "/page"): "is no sitemap: its root is <html>, not <urlset> or <sitemapindex>",
    }
    site.add("/", index(*wanted, at(site, "/good")).replace("<sitemap>", "\n<sitemap>"))
    site.add("/bomb", gzip.compress(bytes(MAX_BYTES * 2)))
    site.add("/page", "<html></html>")
    site.add("/good", sitemap("https://good.example/"))
    found = reader.read_url(at(site, "/"))
    assert [line for line in found.lines if isinstance(line, RefusedLine)] == [
        RefusedLine(number, url, "sitemap", reason, at(site, "/"))
        for number, (url, reason) in enumerate(wanted.items(), 2)
    ]
    assert urls(found) == ["https://good.example/"]


def test_depth_number_and_time_of_sitemaps_are_limited(site, reader, monkeypatch):
    for depth in range(sitemap_tree.MAX_DEPTH + 1):
        site.add(f"/{depth}", index(at(site, f"/{depth + 1}")))
    assert [line.reason for line in reader.read_url(at(site, "/0")).lines] == [
        "is more than 3 sitemaps below the first"
    ]
    site.add("/many", index(*(at(site, f"/{n}.xml") for n in range(sitemap_tree.MAX_FILES + 1))))
    with pytest.raises(InvalidOption, match="at most 200 further sitemaps"):
        reader.read_url(at(site, "/many"))
    monkeypatch.setattr(sitemap_tree, "MAX_SECONDS", -1)
    with pytest.raises(PageTimeout):
        reader.read_url(at(site, "/0"))


def test_sitemaps_share_one_limit_of_bytes(site, reader):
    comment = f"<!--{'x' * (MAX_BYTES // 2)}-->"
    site.add("/", index(at(site, "/a"), at(site, "/b")))
    site.add("/a", gzip.compress((comment + sitemap("https://a.example/")).encode()))
    site.add("/b", gzip.compress((comment + sitemap("https://b.example/")).encode()))
    found = reader.read_url(at(site, "/"))
    assert urls(found) == ["https://a.example/"]
    assert found.lines[1].url == at(site, "/b")
