"""Lists at a URL are fetched from hosts that the operator allows, and through the outlet where one is configured."""

import pytest

import services
from config import Settings
from errors import BlockedTarget, ForbiddenHost, OverCapacity, SiteUnreachable
from tests.support.engine import running_engine
from tests.support.processes import free_port
from tests.support.site import running_site

LIST = "https://a.example/\nhttps://b.example/\n"


@pytest.fixture
def database_url(_migrated_file):
    """Nothing is written."""
    return f"sqlite:///{_migrated_file}"


@pytest.fixture(scope="module")
def server():
    with running_site() as site:
        yield site


@pytest.fixture
def site(server):
    server.routes.clear()
    server.requests.clear()
    return server


@pytest.fixture(scope="module")
def outlet(server):
    exempt = f"localhost:{server.port},127.0.0.1:{server.port}"
    with running_engine("engine.outlet", PRIVATE_TARGETS=exempt, ENGINE_PORT=0) as outlet:
        yield outlet.url.removeprefix("http://")


@pytest.fixture
def reader_with(settings, resolver):
    """A function that returns a reader of lists for an installation with other settings."""
    made = []

    def reader(**changes):
        made.append(services.build(Settings.of(**settings | changes), resolver))
        return made[-1].list_reader

    yield reader
    for each in made:
        each.close()


def address(outlet):
    host, _, port = outlet.rpartition(":")
    return host, int(port)


def test_a_list_and_what_it_leads_to_come_from_allowed_hosts_alone(site, reader_with):
    host = f"127.0.0.1:{site.port}"
    reader = reader_with(private_targets=(host, f"localhost:{site.port}"), allowed_targets=("127.0.0.1",))
    elsewhere = f"http://localhost:{site.port}/list.txt"
    site.add("/list.txt", LIST)
    site.add("/old", status=302, headers={"Location": elsewhere})
    site.add("/index", f"<sitemapindex><sitemap><loc>{elsewhere}</loc></sitemap></sitemapindex>")

    assert len(reader.read_url(f"http://{host}/list.txt").lines) == 2
    for url in (elsewhere, f"http://{host}/old"):
        with pytest.raises(ForbiddenHost) as refused:
            reader.read_url(url)
        assert refused.value.field == "url"
    (below,) = reader.read_url(f"http://{host}/index").lines
    assert below.reason == "this service captures only hosts that its operator allows"
    assert site.hits("/list.txt") == 1


def test_a_list_comes_through_the_outlet_where_there_is_one(site, outlet, reader_with):
    """By its name, since the outlet looks it up, and connects to what it judged."""
    site.add("/list.txt", LIST)
    reader = reader_with(
        private_targets=(f"127.0.0.1:{site.port}", f"localhost:{site.port}"), lists_egress=address(outlet)
    )
    for host in ("localhost", "127.0.0.1"):
        assert len(reader.read_url(f"http://{host}:{site.port}/list.txt").lines) == 2


def test_the_outlet_judges_once_more(site, outlet, reader_with):
    """Its own settings exempt less."""
    with running_site("127.0.0.2") as other:
        other.add("/list.txt", LIST)
        reader = reader_with(private_targets=(f"127.0.0.2:{other.port}",), lists_egress=address(outlet))
        with pytest.raises(BlockedTarget):
            reader.read_url(f"http://127.0.0.2:{other.port}/list.txt")
        assert other.requests == []


def test_a_site_that_is_away_is_no_fault_of_the_outlet(outlet, site, reader_with):
    reader = reader_with(private_targets=(f"127.0.0.1:{site.port}",), lists_egress=address(outlet))
    site.add("/", hangs_up=True)
    with pytest.raises(SiteUnreachable):
        reader.read_url(f"http://127.0.0.1:{site.port}/")


def test_without_its_outlet_no_list_is_fetched_at_all(site, reader_with):
    site.add("/list.txt", LIST)
    reader = reader_with(private_targets=(f"127.0.0.1:{site.port}",), lists_egress=("127.0.0.1", free_port()))
    with pytest.raises(OverCapacity, match="outlet"):
        reader.read_url(f"http://127.0.0.1:{site.port}/list.txt")
    assert site.requests == []
