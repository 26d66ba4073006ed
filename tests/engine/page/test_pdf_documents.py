"""A URL that is a PDF: its first page is the picture, drawn by pdf.js in the sandboxed page of the capture."""

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tests.engine.conftest import small_engine
from tests.engine.page.test_failures import told
from tests.engine.page.test_options import BLUE, GREEN, RED, picture
from tests.support.engine import Engine
from tests.support.site import Site, running_site

SMALL = {"width": 400, "height": 300}
INSTALLED = Path("/usr/share/javascript/pdf/build/pdf.js").is_file()
pytestmark = pytest.mark.skipif(not INSTALLED, reason="Debian's libjs-pdf is not installed")


def pdf(*colours: str, size: tuple[int, int] = (200, 100)) -> bytes:
    """Make a PDF with a page of each colour, each one a JPEG."""
    first, *others = (Image.new("RGB", size, colour) for colour in colours)
    out = BytesIO()
    first.save(out, "pdf", save_all=True, append_images=others, quality=100)
    return out.getvalue()


def written(text: str, font: str, catalog: str = "") -> bytes:
    """Make a PDF whose page of 200 × 100 points shows `text` (in PDF's own syntax) in `font`, a dictionary."""
    content = f"BT /F1 40 Tf 10 30 Td {text} Tj ET"
    parts = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 100] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(content)} >>\nstream\n{content}\nendstream",
        font,
    ]
    out, offsets = "%PDF-1.7\n", []
    for number, part in enumerate(parts, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{part}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    end = f"trailer << /Size {len(parts) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return f"{out}xref\n0 {len(parts) + 1}\n0000000000 65535 f \n{table}{end}".encode()


HELVETICA = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"


def ink(answer) -> int:
    """Count the dark pixels."""
    return sum(picture(answer).convert("L").histogram()[:100])


def near(pixel: tuple[int, int, int], colour: tuple[int, int, int]) -> bool:
    return all(abs(a - b) <= 4 for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize(
    ("content_type", "headers"),
    [
        ("application/pdf", {}),
        ("application/octet-stream", {}),
        ("application/pdf", {"Content-Disposition": "attachment; filename=report.pdf"}),
    ],
)
def test_the_first_page_is_as_wide_as_the_window(engine: Engine, site: Site, content_type: str, headers):
    url = site.add("/report.pdf", pdf("green", "red"), content_type=content_type, headers=headers)
    answer = engine.capture(url, **SMALL)
    shown = picture(answer)
    assert (shown.size, answer.headers.get("X-Thumb-Note")) == ((400, 300), None)
    assert all(near(shown.getpixel(at), GREEN) for at in ((1, 1), (398, 1), (1, 198), (398, 198)))
    assert not any(near(shown.getpixel((x, 250)), RED) for x in (1, 200, 398))


def test_all_pages_are_shown_on_demand_and_the_note_says_where_they_are_cut(engine: Engine, site: Site):
    url = site.add("/pages.pdf", pdf("green", "blue", "red"), content_type="application/pdf")
    whole = engine.capture(url, **SMALL, full_page="true")
    cut = engine.capture(url, **SMALL, full_page="true", max_height=350)
    shown = picture(whole)
    assert shown.size == (400, 616)  # with two gaps of 8 pixels
    assert [near(shown.getpixel((200, y)), colour) for y, colour in ((100, GREEN), (300, BLUE), (500, RED))] == [
        True
    ] * 3
    assert picture(cut).size == (400, 350)
    assert [answer.headers.get("X-Thumb-Note") for answer in (whole, cut)] == [None, "cut-at=350"]


def test_text_in_a_font_that_the_file_lacks_is_shown_and_a_scale_gives_more_pixels(engine: Engine, site: Site):
    url = site.add("/fine.pdf", written("(Text)", HELVETICA), content_type="application/pdf")
    once, twice = (engine.capture(url, **SMALL, scale=scale) for scale in (1, 2))
    assert picture(twice).size == (800, 600)
    assert ink(once) > 500
    assert ink(twice) > 3 * ink(once)


def test_a_pdf_is_as_wide_as_the_window_of_a_phone_too(engine: Engine, site: Site):
    url = site.add("/phone.pdf", pdf("green"), content_type="application/pdf")
    shown = picture(engine.capture(url, device="iphone-14", scale=1))
    assert shown.size == (390, 844)
    assert all(near(shown.getpixel(at), GREEN) for at in ((1, 1), (388, 1), (1, 193), (388, 193)))


@pytest.mark.parametrize(
    ("clip", "size", "colours", "note"),
    [
        ("300,100,50,50", (50, 50), (GREEN, GREEN), None),
        ("0,700,50,100", (50, 100), (GREEN, GREEN), None),  # below the window
        ("350,750,100,100", (50, 50), (GREEN, GREEN), "clipped=1"),  # of the first page alone
    ],
)
def test_a_part_of_the_first_page_is_shown(engine: Engine, site: Site, clip: str, size, colours, note: str | None):
    url = site.add("/tall.pdf", pdf("green", "red", size=(200, 400)), content_type="application/pdf")
    answer = engine.capture(url, **SMALL, clip=clip)
    shown = picture(answer)
    assert (shown.size, answer.headers.get("X-Thumb-Note")) == (size, note)
    ends = shown.getpixel((0, 0)), shown.getpixel((size[0] - 1, size[1] - 1))
    assert all(near(pixel, colour) for pixel, colour in zip(ends, colours, strict=True))


def test_a_script_that_has_no_page_to_run_in_is_noted(engine: Engine, site: Site):
    url = site.add("/no-script.pdf", pdf("green"), content_type="application/pdf")
    answer = engine.capture(url, **SMALL, js="document.body.remove()")
    assert near(picture(answer).getpixel((1, 1)), GREEN)
    assert answer.headers.get("X-Thumb-Note") == "script-failed=1"


def test_a_part_that_is_outside_of_a_pdf_fails_the_capture(engine: Engine, site: Site):
    url = site.add("/short.pdf", pdf("green"), content_type="application/pdf")
    assert told(engine.capture(url, **SMALL, clip="0,300,50,50")) == (400, "clip_outside", False)


def test_pdfs_that_are_drawn_at_the_same_time_are_all_shown(engine: Engine, site: Site):
    links = "<header style='background:green'>" + "<a href=#x>Chapter</a> " * 12 + "</header>"
    printed = engine.capture(site.add("/book", links + "<p>Some words of a book. " * 200), format="pdf")
    url = site.add("/book.pdf", printed.content, content_type="application/pdf")
    with ThreadPoolExecutor(2) as pool:
        pairs = [list(pool.map(lambda _: engine.capture(url, width=800, height=600), range(2))) for _ in range(4)]
    assert min(ink(answer) for pair in pairs for answer in pair) > 1000


def test_a_redirect_to_a_pdf_is_followed(engine: Engine, site: Site):
    site.add("/moved.pdf", pdf("green"), content_type="application/pdf")
    url = site.add("/old.pdf", status=302, headers={"Location": "/moved.pdf"})
    assert near(picture(engine.capture(url, **SMALL)).getpixel((1, 1)), GREEN)


def test_a_pdf_is_asked_for_with_the_caller_s_headers_and_cookies_both_times(engine: Engine, site: Site):
    url = site.add("/own.pdf", pdf("green"), content_type="application/pdf")
    since = len(site.requests)
    given = {"url": url, "headers": {"X-Key": "sesame"}, "cookies": [{"name": "a", "value": "b"}]}
    assert near(picture(engine.post("/v1/screenshot", json=given | SMALL)).getpixel((1, 1)), GREEN)
    sent = [(each.headers.get("X-Key"), each.headers.get("Cookie")) for each in site.requests[since:]]
    assert sent == [("sesame", "a=b")] * 2


def test_a_redirect_of_a_pdf_to_another_port_gets_neither_headers_nor_cookies(engine: Engine, site: Site):
    with running_site() as other:
        given = {"headers": {"X-Key": "sesame"}, "cookies": [{"name": "a", "value": "b"}]}
        away = other.add("/away.pdf", pdf("green"), content_type="application/pdf")
        url = site.add("/here.pdf", status=302, headers={"Location": away})
        with small_engine(site, PRIVATE_TARGETS=f"{site.address},{other.address}") as own:
            answer = own.post("/v1/screenshot", json={"url": url, **given, **SMALL})
        assert near(picture(answer).getpixel((1, 1)), GREEN)
        assert [(each.headers.get("X-Key"), each.headers.get("Cookie") or None) for each in other.requests] == [
            (None, None)
        ] * 2
        firsts = [each.headers.get("X-Key") for each in site.requests if each.path == "/here.pdf"]
        assert firsts == ["sesame", "sesame"]


def test_what_a_pdf_asks_for_is_neither_fetched_nor_run(engine: Engine, site: Site):
    visit = f"/AA << /O << /S /URI /URI ({site.url('/visited')}) >> >> /OpenAction << /S /JavaScript /JS (app.launchURL"
    url = site.add(
        "/active.pdf",
        written("(Active)", HELVETICA, f"{visit}\\('{site.url('/run')}'\\)) >>"),
        content_type="application/pdf",
    )
    before = len(site.requests)
    assert ink(engine.capture(url, **SMALL)) > 0
    assert {seen.path for seen in site.requests[before:]} == {"/active.pdf"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"%PDF-1.7\nrubbish", "damaged"),
        (b"%PDF-1.7\n" + bytes(33 << 20), "larger than 32 MiB"),
        (b"no PDF at all", "not a page"),
        (b"", "not a page"),
    ],
)
def test_a_file_that_cannot_be_drawn_is_not_a_page(engine: Engine, site: Site, content: bytes, reason: str):
    answer = engine.capture(site.add("/broken.pdf", content, content_type="application/pdf"), **SMALL)
    assert told(answer) == (422, "not_a_page", False)
    assert reason in answer.json()["message"]


@pytest.mark.parametrize("option", ["selector", "wait_for", "click"])
def test_a_pdf_has_no_elements(engine: Engine, site: Site, option: str):
    url = site.add("/elements.pdf", pdf("green"), content_type="application/pdf")
    answer = engine.capture(url, **SMALL, **{option: "body"})
    assert told(answer) == (422, "selector_not_found", False)
    assert answer.json()["field"] == option


@pytest.mark.parametrize(
    ("content", "status", "error_pages"),
    [
        (pdf("green"), 404, "show"),
        (pdf("green"), 503, "refuse"),
        (b"PK", 404, "refuse"),
        (b"PK", 503, "show"),
        (b"", 404, "show"),
        (b"", 503, "refuse"),
    ],
)
def test_a_file_with_an_error_status_is_an_error(
    engine: Engine, site: Site, content: bytes, status: int, error_pages: str
):
    """A retry may help, whatever the file is."""
    url = site.add("/gone.pdf", content, content_type="application/pdf", status=status)
    answer = engine.capture(url, **SMALL, error_pages=error_pages)
    assert told(answer) == (422, "page_status", status == 503)
    assert answer.json()["page_status"] == status


def test_without_pdf_js_a_pdf_is_not_a_page_and_the_log_says_why(site: Site):
    url = site.add("/unseen.pdf", pdf("green"), content_type="application/pdf")
    with small_engine(site, ENGINE_PDFJS="/nowhere") as engine:
        assert told(engine.capture(url, **SMALL)) == (422, "not_a_page", False)
        (warning,) = [entry for entry in engine.events if "pdf.js was not found" in entry["event"]]
    assert "ENGINE_PDFJS" in warning["event"]
    assert site.hits("/unseen.pdf") == 1
