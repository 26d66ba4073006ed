"""No value of an option is an error: it is brought into range, or ignored."""

import pytest

from model import ThumbnailRequest
from options import THUMBNAIL_OPTIONS, Number, Whole
from tests.integration.dialects.conftest import size_of
from tests.integration.dialects.test_addresses import ready
from tests.support.screenshot_api import running_screenshot_api
from web.dialects import DIALECTS, DialectReader, Spoken

ODD = (
    "", " ", "0", "-1", "1", "1.5", "1e9", "99999999999999999999", "NaN", "inf", "0x10", "12px", "true", "false", "TRUE", "on",
    "null", "undefined", "[]", "{}", "a" * 5000, "\x00", "\ud800", "ü", "<script>", "png", "pdf", "../../etc/passwd", "1,2,3,4",
    "0,0,0,0", "Europe/Nowhere", "de_DE", "iphone 14", "10000x10000", ":is(", '{"a": 1}',
)  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_whatever_an_option_says_a_picture_is_asked_for(speak, name):
    dialect = DIALECTS[name]
    reader = DialectReader(dialect, speak.application.extensions["services"])
    options = [
        *dialect.table,
        "unknown",
        "size",
        "wait",
        "retina",
        "timeout",
        "zoom",
        "aspect",
        "screen_width",
        "clip_x",
    ]

    for option in options:
        for value in ODD:
            found = reader._request(Spoken("https://odd.example/", {option: value}), private=True)
            assert isinstance(found, ThumbnailRequest), (option, value, found)
            assert found.target.url == "https://odd.example/"


@pytest.mark.parametrize("name", DIALECTS)
def test_numbers_are_within_what_this_service_takes(speak, name):
    dialect = DIALECTS[name]
    reader = DialectReader(dialect, speak.application.extensions["services"])

    for value in ("-99999999", "0.0001", "99999999"):
        values = reader._values(Spoken("https://odd.example/", dict.fromkeys(dialect.table, value)))
        for option, number in values.items():
            kind = THUMBNAIL_OPTIONS[option].kind if option in THUMBNAIL_OPTIONS else None
            if isinstance(kind, Whole | Number):
                assert kind.low <= number <= kind.high, option


def test_options_that_a_hosted_api_lacks_are_left_out(speak_with):
    with running_screenshot_api("snapsharp", key="k") as hosted:
        through = speak_with(capture_api="snapsharp", capture_url=hosted.url, capture_api_key="k")

        zoomed = ready(through, "/https%3A%2F%2Fhosted.example%2F/small/9:16/bigger/")
        tall = ready(through, "/mshots/v1/https://hosted.example/?screen_height=2000&vph=400&w=640")

        assert (zoomed.status_code, size_of(zoomed)) == (200, (375, 667))
        assert (tall.status_code, size_of(tall)) == (200, (640, 600))
        assert {*hosted.calls[0].params}.isdisjoint({"scale", "max_height"})


def test_a_target_that_is_no_url_is_the_only_error(speak):
    assert speak.get("/take?url=%00&viewport_width=nonsense").json["error_code"] == "request_not_valid"
    assert speak.get("/mshots/v1/%00?w=nonsense").status_code == 404
    assert speak.get("/?url=ftp%3A%2F%2Fexample.com&embed=screenshot.url").json["code"] == "EINVALURL"
