"""PLACEHOLDER_DIR: the operator's pictures in place of those that are drawn."""

import io

import pytest
from PIL import Image

from config import ConfigError

IMG = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}
BLOCKED = "/thumb?url=http://10.0.0.1/"
RED, BLUE, BLACK, GREEN = (255, 0, 0), (0, 0, 255), (0, 0, 0), (0, 128, 0)


def save(path, colour, size=(64, 36)):
    Image.new("RGB", size, colour).save(path)


def shown(response):
    picture = Image.open(io.BytesIO(response.data))
    return picture.size, picture.getpixel((picture.width // 2, picture.height // 2))


def looks(colour, response, size=(320, 180)):
    found, pixel = shown(response)
    return found == size and all(abs(a - b) < 6 for a, b in zip(pixel, colour, strict=True))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


def test_an_errors_code_comes_before_error_and_dark_before_light(make_client, folder):
    save(folder / "error.png", RED)
    save(folder / "error-dark.webp", BLACK)
    save(folder / "blocked_url.jpg", BLUE)
    client = make_client(placeholder_dir=folder)

    blocked = client.get(f"{BLOCKED}&w=320&h=180", headers=IMG)
    assert (blocked.status_code, blocked.content_type) == (400, "image/jpeg")
    assert blocked.headers["X-Error-Code"] == "blocked_url"
    assert looks(BLUE, blocked)
    assert looks(BLUE, client.get(f"{BLOCKED}&w=320&h=180&theme=dark", headers=IMG))
    assert looks(RED, client.get("/thumb?url=ftp://example.com/&w=320&h=180", headers=IMG))
    assert looks(BLACK, client.get("/thumb?url=ftp://example.com/&w=320&h=180&theme=dark", headers=IMG))


def test_a_state_without_a_picture_keeps_the_drawn_one(make_client, folder):
    save(folder / "pending.png", GREEN)
    response = make_client(placeholder_dir=folder).get(f"{BLOCKED}&w=320&h=180", headers=IMG)

    assert response.content_type == "image/png"
    assert shown(response)[0] == (320, 180)


def test_the_whole_picture_is_shown_on_the_colour_of_its_corner(make_client, folder):
    picture = Image.new("RGB", (100, 100), BLUE)
    picture.paste(RED, (25, 25, 75, 75))
    picture.save(folder / "error.png")
    response = make_client(placeholder_dir=folder).get(f"{BLOCKED}&w=400&h=100", headers=IMG)

    found = Image.open(io.BytesIO(response.data))
    assert found.size == (400, 100)
    for x, colour in ((10, BLUE), (200, RED), (390, BLUE)):
        assert max(abs(a - b) for a, b in zip(found.getpixel((x, 50)), colour, strict=True)) < 10


def test_a_large_size_costs_no_more_than_a_drawn_one(make_client, folder):
    save(folder / "error.png", RED)
    response = make_client(placeholder_dir=folder).get(f"{BLOCKED}&w=3840&h=3840", headers=IMG)

    assert response.content_type == "image/png"
    assert shown(response)[0] == (3840, 3840)


def test_programs_get_problems_as_before(make_client, folder):
    save(folder / "error.png", RED)
    assert make_client(placeholder_dir=folder).get(BLOCKED).content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("error.png", b"no picture", "error.png cannot be read as a picture"),
        ("error.gif", b"GIF89a", "error.gif has another name than pending, error or an error's code"),
        ("no_such_code.png", b"", "no_such_code.png has another name"),
        ("pending.png", b"\0" * (5 << 20), "pending.png has more than 4 MiB"),
        (None, b"", "is empty"),
    ],
)
def test_what_cannot_be_shown_is_refused_at_start(make_client, folder, name, content, says):
    if name:
        (folder / name).write_bytes(content)
    with pytest.raises(ConfigError, match="PLACEHOLDER_DIR is invalid") as refused:
        make_client(placeholder_dir=folder)
    assert says in str(refused.value)


@pytest.mark.parametrize("own", [True, False])
def test_the_openapi_document_names_the_types_of_this_installations_placeholders(make_client, folder, own):
    save(folder / "error.png", RED)
    document = make_client(**({"placeholder_dir": folder} if own else {})).get("/openapi.json").json
    contents = document["components"]["responses"]["Error400"]["content"]
    assert set(contents) == {"application/problem+json", "image/png"} | ({"image/jpeg"} if own else set())
