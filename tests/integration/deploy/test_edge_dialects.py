"""The shipped nginx configuration and addresses of other services: forwarding, caching, the log."""

import pytest
import requests

from tests.integration.deploy.test_edge_paths import PICTURE, ask
from tests.support.nginx import running_nginx
from tests.support.processes import wait_until
from tests.support.screenshot_api import running_screenshot_api
from tests.support.web import running_web

pytestmark = pytest.mark.slow

TOKEN = "0123456789abcdef" * 4
CACHED = (
    "/mshots/v1/https%3A%2F%2Fexample.com%2F%3Fa%3Db?w=320",
    "/mshots/v1/https://example.com//a?b=c?w=320",
    "/get/width/320/https://example.com/a?b=c",
    "/get/width/320/https%3A%2F%2Fexample.com",
    "/https%3A%2F%2Fexample.com%2F/opengraph/",
    "/https%253A%252F%252Fexample.com%252F/",
    "/11ty/https%3A%2F%2Fexample.com%2F/",
    "/1280x800/400/jpeg/?https://example.com/",
    "/sshot/?example.com",
    "/v2/thumbs.php?size=x&url=example.com",
    f"/v1/key/{TOKEN}/png?url=example.com",
    f"/take?access_key=key&url=example.com&signature={TOKEN}",
    "/?url=https%3A%2F%2Fexample.com&embed=screenshot.url",
)
PASSED = (
    "/get/auth/71-s3cret/https://example.com/",
    "/v1/s3cret/png?url=example.com",
    "/take?access_key=s3cret&url=example.com",
    "/v1/urltoimage?access_key=s3cret&url=example.com",
    "/screenshot?token=s3cret&url=example.com",
)


def test_pictures_by_addresses_of_other_services_are_cached(site_edge, site):
    for target in CACHED:
        assert [ask(site_edge, site, target) for _ in range(2)] == ["MISS", "HIT"], target
    assert [request.path for request in site.requests] == [*CACHED], "each as the visitor wrote it"


def test_an_address_with_a_secret_key_is_not_kept(site_edge, site):
    for target in PASSED:
        assert {ask(site_edge, site, target) for _ in range(2)} <= {"", "BYPASS"}, target
    kept = b"".join(path.read_bytes() for path in (site_edge.folder / "cache").rglob("*") if path.is_file())
    assert b"s3cret" not in kept


def test_a_key_in_a_header_and_a_precondition_bypass_the_cache(site_edge, site):
    for target in (CACHED[0], CACHED[-1], CACHED[-2]):
        assert ask(site_edge, site, target) == "MISS"
        for header in ("X-API-Key: abc", 'If-Match: "known"'):
            before = len(site.requests)
            ask(site_edge, site, target, header)
            assert len(site.requests) == before + 1, (target, header)


def test_the_page_at_the_front_is_never_kept(site_edge, site):
    site.add("/", "page", headers={"Cache-Control": "public, max-age=60"}, content_type="text/html")
    for _ in range(2):
        site_edge.get("/", url="https://example.com")
    assert len(site.requests) == 2


def test_no_log_holds_the_page_or_a_key_of_an_address(site_edge, site):
    for target in (*CACHED, *PASSED, "/%67et/auth/71-s3cret/https://example.com/", "//v1/s3cret/png"):
        site.add(target.partition("?")[0], "picture", headers=PICTURE, content_type="image/png")
        ask(site_edge, site, target)
    log = site_edge.folder / "access.log"
    wait_until(lambda: log.read_text().count("\n") >= len(CACHED) + len(PASSED) + 2, "the log")

    written = log.read_text()
    assert '"path":"/mshots/"' in written
    assert "example.com" not in written
    assert "s3cret" not in written


# Addresses, and the page that each of them names.
REAL = (
    ("/mshots/v1/http%3A%2F%2F93.184.216.34%2Fa%252Fb%3Fc%3Dd?w=320", "http://93.184.216.34/a%2Fb?c=d"),
    ("/mshots/v1/http://93.184.216.34//x///y?e=f?w=320", "http://93.184.216.34//x///y?e=f"),
    ("/get/width/320/http://93.184.216.34/z?g=h&i=j", "http://93.184.216.34/z?g=h&i=j"),
    ("/http%3A%2F%2F93.184.216.34%2Fk%2F/small/", "http://93.184.216.34/k/"),
    ("/1024x768/320/png/?http://93.184.216.34/l?m=n", "http://93.184.216.34/l?m=n"),
    ("/?url=http%3A%2F%2F93.184.216.34%2Fo&embed=screenshot.url", "http://93.184.216.34/o"),
    ("/v1/s3cret/png?url=http%3A%2F%2F93.184.216.34%2Fp", "http://93.184.216.34/p"),
)


def test_the_whole_way_through_nginx_and_gunicorn(redis_url, folder, tmp_path):
    log = tmp_path / "web.log"
    with (
        running_screenshot_api("engine") as api,
        running_web(
            log,
            redis_url=redis_url,
            capture_url=api.url,
            originals="redis",
            persist_dir=tmp_path / "media",
            trusted_proxies=1,
            web_concurrency=1,
            dialects="mshots,thumio,11ty,sshot,microlink,urlbox",
        ) as web,
        running_nginx(folder, web) as url,
    ):
        for address, page in REAL:
            answers = [requests.get(url + address, allow_redirects=False, timeout=30)]
            while answers[-1].status_code == 307:
                answers.append(requests.get(url + address, allow_redirects=False, timeout=30))
            assert answers[-1].headers["X-Thumb-State"] == "fresh", (address, answers[-1].text)
            assert api.calls[-1].params["url"] == page
            assert requests.get(web + address, timeout=30).headers["X-Cache"] == "HIT", address

        assert len(api.calls) == len(REAL)

    written = log.read_text() + (folder / "access.log").read_text()
    assert "thumbs.mshots" in written
    assert "s3cret" not in written
    assert "/a%2Fb" not in written
