"""Placeholders: quiet pictures of the size asked for, that cost next to nothing."""

import io

import pytest
from PIL import Image

from images import lettering, placeholder
from images.idn import spelled

LONG = "a-very-long-name-of-a-department.of-a-university-with-a-long-name.example.co.uk"
CASES = [
    ("", ""),
    ("example.com", "being captured"),
    (LONG, "cannot be reached"),
    ("xn--r8jz45g.example:8443", "expired"),
]


def opened(body):
    image = Image.open(io.BytesIO(body))
    image.load()  # its checksums are right
    return image.convert("RGB")


def ink(image):
    paper = image.getpixel((0, 0))
    return sum(count for count, colour in image.getcolors(256) if colour != paper)


@pytest.mark.parametrize(("host", "words"), CASES)
@pytest.mark.parametrize(
    "size", [(1280, 720), (321, 181), (160, 90), (64, 64), (16, 16), (17, 3840), (3840, 16), (1, 1)]
)
def test_it_has_the_size_asked_for_and_a_clean_edge(size, host, words):
    image = opened(placeholder.draw(*size, "error", host, words))
    assert image.size == size
    edge = {image.getpixel((x, y)) for x in (0, size[0] - 1) for y in (0, size[1] - 1)}
    assert len(edge) == 1


@pytest.mark.parametrize("size", [(16, 16), (64, 64), (320, 180)])
def test_pending_and_failed_look_different(size):
    assert placeholder.draw(*size, "pending") != placeholder.draw(*size, "error")
    assert ink(opened(placeholder.draw(*size, "pending"))) > 0


def test_words_are_shown_where_there_is_room():
    for size, shown in (((640, 360), True), ((160, 90), True), ((64, 64), False)):
        plain, named = (opened(placeholder.draw(*size, "error", host, "")) for host in ("", "example.com"))
        assert (ink(plain) != ink(named)) is shown


def test_a_dark_one_is_dark():
    assert max(opened(placeholder.draw(320, 180, "error", theme="dark")).getpixel((0, 0))) < 64


@pytest.mark.parametrize(
    ("netloc", "shown"),
    [
        ("example.com:8443", "example.com:8443"),
        ("xn--bcher-kva.example", "bücher.example"),
        ("xn--r8jz45g.xn--zckzah", "例え.テスト"),
        ("xn--80ak6aa92e.com", "xn--80ak6aa92e.com"),  # аррӏе in Cyrillic
        ("xn--pple-43d.com", "xn--pple-43d.com"),  # Cyrillic and Latin
        ("xn--99999999.com", "xn--99999999.com"),
    ],
)
def test_a_name_is_spelled_in_its_script_only_where_it_looks_like_no_other(netloc, shown):
    assert spelled(netloc, lambda _script: True) == shown


def test_a_script_without_a_font_stays_in_ascii():
    assert spelled("xn--r8jz45g.example", lambda _script: False) == "xn--r8jz45g.example"


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("مثال.إختبار", ["إختبار", ".", "مثال"]),
        ("www.مثال.إختبار", ["www.", "إختبار", ".", "مثال"]),
        ("مثال.com", ["مثال", ".com"]),
        ("مثال.إختبار:8443", ["إختبار", ".", "مثال", ":8443"]),
        ("例え.テスト", ["例え", ".", "テスト"]),
    ],
)
def test_labels_that_are_read_from_right_to_left_stand_in_that_order(host, shown):
    assert [run for run, _ in lettering._runs(host, 20)] == shown
