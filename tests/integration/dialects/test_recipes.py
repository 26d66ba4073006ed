"""The recipes of docs/coming-from.md: each address in them, filled in as the application does, gets a picture."""

import json
import re
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.integration.dialects.conftest import size_of
from tests.integration.dialects.test_addresses import ready

PAGE = (Path(__file__).parents[3] / "docs" / "coming-from.md").read_text(encoding="utf-8")
LEFT_OUT = PAGE.partition("\n## Services without an address here\n")[2].partition("\n## ")[0]
RECIPES = PAGE.partition("\n## Recipes\n")[2]
HERE = "http://localhost:8000"
TARGET = "https://recipes.example/a?b=c&d=ü"
SITE = "https://recipes.example"

# The recipe, the address as the page has it, what the application puts where, and the picture.
TRIED = (
    ("Nextcloud Bookmarks", "/thumb?url={url}&w=800&h=800&format=jpg", {"{url}": quote_plus(TARGET)}, "jpeg", (800, 800)),
    ("Pz-LinkCard", "/thumb?url=%URL%&w=200&format=jpg", {"%URL%": quote(TARGET, safe="")}, "jpeg", (200, 112)),
    ("Pz-LinkCard", "/mshots/v1/%URL%?w=200", {"%URL%": quote(TARGET, safe="")}, "jpeg", (200, 150)),
    (
        "Cocoon",
        "/mshots/v1/' . urlencode($url) . '?w=160&h=90",
        {"' . urlencode($url) . '": quote_plus(TARGET)},
        "jpeg",
        (160, 90),
    ),
    ("WordPress blocks", "/mshots/v1/", {"v1/": f"v1/{quote_plus(TARGET)}?w=800&vpw=1200&vph=900"}, "jpeg", (800, 600)),
    ("WordPress blocks", "/thumb?url=https%3A%2F%2Fexample.com&w=640", {}, "png", (640, 360)),
    ("hexo-theme-stellar", "/get/", {"get/": f"get/width/1280/crop/720/{TARGET}"}, "png", (1280, 720)),
    ("hexo-theme-stellar", "/thumb?url=https://example.com/&w=1280&h=720", {}, "png", (1280, 720)),
    ("SerpBear", "/get/auth/<SCREENSHOT_API>/maxAge/96/width/200/https://example.com", {"<SCREENSHOT_API>": "71-abc"}, "jpeg", (200, 200)),
    ("linkding", "/icon?url={url}&size=32", {"{url}": SITE}, "png", (32, 32)),
    ("Homepage", "/thumb?url=https%3A%2F%2Fexample.com%2F&w=64&h=64", {}, "png", (64, 64)),
    ("Homepage", "/icon?url=https%3A%2F%2Fexample.com%2F&size=64", {}, "png", (64, 64)),
)  # fmt: skip


def section(recipe):
    return RECIPES.partition(f"\n### {recipe}\n")[2].partition("\n### ")[0]


@pytest.mark.parametrize(("recipe", "address", "fills", "kind", "size"), TRIED, ids=lambda value: str(value)[:40])
def test_an_address_of_a_recipe_gets_its_picture(speak, recipe, address, fills, kind, size):
    assert HERE + address in section(recipe)
    for placeholder, text in fills.items():
        address = address.replace(placeholder, text)

    answer = ready(speak, address, headers={"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"})

    assert (answer.status_code, answer.content_type) == (200, f"image/{kind}"), answer.data[:200]
    assert size_of(answer) == size


def test_every_recipe_is_tried():
    assert {recipe for recipe, *_ in TRIED} == set(re.findall(r"^### (.+)$", RECIPES, re.MULTILINE))


CALLS = re.findall(rf"curl .*? {HERE}(/\S+) (?:\\\n +)?--json '(.*?)'", LEFT_OUT, re.DOTALL)


@pytest.mark.parametrize(("path", "body"), CALLS, ids=lambda value: value[:40])
def test_the_call_that_takes_the_place_of_another_service_gets_a_picture(speak, path, body):
    answer = speak.post(path, json=json.loads(body))

    assert answer.status_code in {200, 201}, answer.data[:300]
    assert path == "/persist" or answer.content_type.startswith("image/")


def test_each_service_that_is_left_out_has_a_call_in_its_place():
    assert len(CALLS) == len(re.findall(r"^\*\*", LEFT_OUT, re.MULTILINE)) == 3
