"""Bad certificates: refused, unless a capture asks otherwise and the operator allows that; never for its neighbours."""

import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
import trustme

from tests.engine.conftest import small_engine
from tests.engine.page.test_failures import told
from tests.engine.page.test_options import GREEN, RED, body, colour
from tests.support.engine import Engine, eventually
from tests.support.site import Site, running_site

SMALL = {"width": 400, "height": 300}
IGNORING = SMALL | {"ignore_https_errors": "true"}
AUTHORITY = trustme.CA()  # which no browser knows
PAST = datetime(2020, 1, 1, tzinfo=UTC)
# Chromium reports an unknown authority only of a certificate that is valid otherwise.
BAD = {
    "unknown": (AUTHORITY.issue_cert("127.0.0.1"), "no known authority"),
    "expired": (
        AUTHORITY.issue_cert("127.0.0.1", not_before=PAST.replace(year=2019), not_after=PAST),
        "ERR_CERT_",
    ),
    "for another host": (AUTHORITY.issue_cert("other.example"), "ERR_CERT_"),
}


def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(made)
    return made


@pytest.fixture(scope="module")
def sites() -> Iterator[dict[str, Site]]:
    with ExitStack() as running:
        yield {
            name: running.enter_context(running_site(tls=context(certificate)))
            for name, (certificate, _) in BAD.items()
        }


@pytest.fixture(scope="module")
def lenient(sites: dict[str, Site]) -> Iterator[Engine]:
    exempt = ",".join(site.address for site in sites.values())
    with small_engine(
        next(iter(sites.values())), PRIVATE_TARGETS=exempt, ALLOW_IGNORE_HTTPS_ERRORS="true", ENGINE_CONCURRENCY=2
    ) as running:
        yield running


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_certificate_is_refused_and_ignored_on_demand(lenient: Engine, sites: dict[str, Site], kind: str):
    url = sites[kind].add("/page", body("green"))
    for _ in range(2):
        assert colour(lenient.capture(url, **IGNORING)) == GREEN
        assert told(lenient.capture(url, **SMALL)) == (422, "certificate", False)
    assert BAD[kind][1] in lenient.capture(url, **SMALL).json()["message"]


def test_a_capture_that_ignores_errors_lets_none_pass_for_the_one_beside_it(lenient: Engine, sites: dict[str, Site]):
    """Both are in one browser and at one site; at one time too, which a busy machine may need some attempts for."""
    site = sites["unknown"]
    slow = site.add("/slow", body("green", "<img src=/late.png>"))
    site.add("/late.png", "", status=404, late=1)
    strict = site.add("/strict", body("red"))

    def capture_both() -> bool:
        asked = site.hits("/late.png")
        with ThreadPoolExecutor() as pool:
            ignoring = pool.submit(lenient.capture, slow, **IGNORING)
            eventually(lambda: site.hits("/late.png") > asked)
            assert told(lenient.capture(strict, **SMALL)) == (422, "certificate", False)
            was_beside = not ignoring.done()
            assert colour(ignoring.result()) == GREEN
        return was_beside

    assert any(capture_both() for _ in range(5))
    assert site.hits("/strict") == 0


def test_parts_and_frames_of_the_page_with_bad_certificates_are_there_too(lenient: Engine, sites: dict[str, Site]):
    page, other = sites["unknown"], sites["for another host"]
    frame = other.add("/frame", body("green"))
    style = other.add("/red.css", "iframe { width: 100px; height: 100px; border: 0 }", content_type="text/css")
    whole = f"<link rel=stylesheet href={style}><body style='margin:0;background:red'><iframe src={frame}></iframe>"
    answer = lenient.capture(page.add("/whole", whole), width=400, height=300, ignore_https_errors="true")
    assert colour(answer) == GREEN  # of the frame, in the corner
    assert other.hits("/red.css") == 1


def test_without_the_operator_s_leave_the_option_is_refused_by_name(engine: Engine, site: Site):
    url = site.add("/asks-to-ignore", body("red"))
    answer = engine.capture(url, **IGNORING)
    assert told(answer) == (400, "option_not_allowed", False)
    assert answer.json()["field"] == "ignore_https_errors"
    assert "ALLOW_IGNORE_HTTPS_ERRORS" in answer.json()["message"]
    assert site.hits("/asks-to-ignore") == 0
    assert colour(engine.capture(url, **SMALL, ignore_https_errors="false")) == RED
