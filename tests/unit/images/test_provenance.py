"""What a picture's file tells of its capture, and what it leaves out."""

import io
import struct
import zlib
from datetime import UTC, datetime, timedelta, timezone
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from images import Provenance, make_rendition, public_address
from options import FORMATS, Rendition

NOON = datetime(2026, 11, 29, 12, 0, 30, 999_999, tzinfo=UTC)
URL = "https://example.com/a/b'&c"
DC = "{http://purl.org/dc/elements/1.1/}"
PICTURES = [name for name, each in FORMATS.items() if each.content_type.startswith("image/")]


def original():
    target = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(target, "PNG")
    return target.getvalue()


def made(format_, **known):
    provenance = Provenance(**{"url": URL, "final_url": "", "captured_at": NOON, "captured_by": "engine"} | known)
    return make_rendition(original(), Rendition(w=64, format=format_), b"", provenance)[0]


def opened(body):
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


def xmp(image):
    packet = image.info.get("xmp") or image.info["XML:com.adobe.xmp"].encode()
    assert packet.startswith(b"<?xpacket begin=")
    return ET.fromstring(packet).find(".//{*}Description")


def chunks(png):
    """The chunks of a PNG, read without Pillow; checks their sums."""
    found, place = [], 8
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place : place + 8])
        data = png[place + 8 : place + 8 + length]
        assert zlib.crc32(kind + data) == int.from_bytes(png[place + 8 + length :][:4], "big")
        found.append((kind, data))
        place += 12 + length
    return found


@pytest.mark.parametrize("format_", PICTURES)
def test_every_format_of_pictures_tells_when_from_where_and_by_what(format_):
    image = opened(made(format_, final_url="https://www.example.com/"))
    told = xmp(image)
    values = {name.rpartition("}")[2]: value for name, value in told.attrib.items()}
    assert image.size == (64, 64)
    assert values == {
        "about": "",
        "CreateDate": "2026-11-29T12:00:30Z",
        "CreatorTool": "thumbnail-service (engine)",
        "source": URL,
        "DigitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/screenCapture",
    }
    assert (
        "".join(told.find(f"{DC}description").itertext())
        == f"Screenshot of {URL}, which led to https://www.example.com/"
    )
    assert "".join(told.find(f"{DC}relation").itertext()) == "https://www.example.com/"


@pytest.mark.parametrize("format_", [name for name in PICTURES if name != "png"])
def test_exif_tells_it_too(format_):
    exif = opened(made(format_)).getexif()
    assert (exif[0x010E], exif[0x0131]) == (f"Screenshot of {URL}", "thumbnail-service (engine)")
    details = exif.get_ifd(0x8769)
    assert (details[0x9003], details[0x9011]) == ("2026:11:29 12:00:30", "+00:00")


def test_the_text_of_a_png_tells_it_too():
    texts = [data.split(b"\0", 1) for kind, data in chunks(made("png")) if kind == b"tEXt"]
    assert {name.decode(): text.decode("latin-1") for name, text in texts} == {
        "Description": f"Screenshot of {URL}",
        "Creation Time": "2026-11-29T12:00:30Z",
        "Software": "thumbnail-service (engine)",
        "URL": URL,
    }


@pytest.mark.parametrize("format_", PICTURES)
def test_without_it_a_file_tells_nothing(format_):
    image = opened(make_rendition(original(), Rendition(w=64, format=format_))[0])
    assert not {"exif", "xmp", "XML:com.adobe.xmp", "Software", "URL"} & image.info.keys()


@pytest.mark.parametrize("format_", PICTURES)
def test_pixels_are_those_of_a_file_without_it(format_):
    plain = make_rendition(original(), Rendition(w=64, format=format_))[0]
    assert opened(made(format_)).tobytes() == opened(plain).tobytes()


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"final_url": URL}, f"Screenshot of {URL}"),
        ({"screenshot": False}, f"Picture of {URL}"),
    ],
)
def test_nothing_is_told_that_is_not_known(known, words):
    image = opened(made("jpeg", **known))
    told = xmp(image)
    assert image.getexif()[0x010E] == words
    assert told.find(f"{DC}relation") is None
    assert ("DigitalSourceType" in str(told.attrib)) == known.get("screenshot", True)


def test_the_time_is_that_of_utc():
    there = NOON.astimezone(timezone(timedelta(hours=9)))
    assert opened(made("webp", captured_at=there)).getexif().get_ifd(0x8769)[0x9003] == "2026:11:29 12:00:30"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://example.com/", "https://example.com/"),
        ("http://example.com:8080/a/b?token=secret", "http://example.com:8080/a/b"),
        ("https://user:secret@example.com/a", "https://example.com/a"),
        ("https://us@er:sec@ret@example.com/a", "https://example.com/a"),
        ("https://example.com/a#access_token=secret", "https://example.com/a"),
        ("https://example.com/#/reset/secret?x=1", "https://example.com/"),
        ("https://example.com/a;jsessionid=secret/b;v=secret?q", "https://example.com/a/b"),
        ("https://[2001:db8::1]:8443/a", "https://[2001:db8::1]:8443/a"),
        ("https://example.com/caf%E9", "https://example.com/caf%E9"),
        ("", ""),
    ],
)
def test_an_address_is_told_without_what_may_be_a_secret(url, address):
    assert public_address(url) == address
