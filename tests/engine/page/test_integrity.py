from io import BytesIO

import pytest
from PIL import Image

from engine.page.integrity import BrokenPicture, require_whole


def encoded(kind: str, size=(300, 200), mode="RGB", **options) -> bytes:
    out = BytesIO()
    Image.new(mode, size, "green").save(out, kind, **options)
    return out.getvalue()


PICTURES = {
    "png": [encoded("png")],
    "jpeg": [encoded("jpeg"), encoded("jpeg", progressive=True)],
    "webp": [encoded("webp"), encoded("webp", lossless=True), encoded("webp", mode="RGBA", lossless=True, exif=b"x")],
}


@pytest.mark.parametrize("kind", PICTURES)
def test_a_whole_picture_of_the_right_size_passes(kind: str):
    for body in PICTURES[kind]:
        require_whole(body, kind, (300, 200))
        require_whole(body, kind, (301, 199))


@pytest.mark.parametrize("kind", PICTURES)
def test_another_size_is_refused(kind: str):
    for body in PICTURES[kind]:
        with pytest.raises(BrokenPicture, match="300×200 where 300×210 was expected"):
            require_whole(body, kind, (300, 210))


@pytest.mark.parametrize("kind", [*PICTURES, "pdf"])
def test_a_truncated_empty_or_different_kind_of_file_is_refused(kind: str):
    others = [body for other, bodies in PICTURES.items() if other != kind for body in bodies]
    cut = [body[: len(body) * part // 10] for body in PICTURES.get(kind, []) for part in range(10)]
    for body in [b"", b"<html>", *others, *cut]:
        with pytest.raises(BrokenPicture):
            require_whole(body, kind, None)


def test_a_pdf_without_its_end_is_refused():
    require_whole(b"%PDF-1.4\n...\n%%EOF\n", "pdf", None)
    with pytest.raises(BrokenPicture):
        require_whole(b"%PDF-1.4\n...", "pdf", None)
