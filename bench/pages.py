"""The pages to capture, all generated here: simple text, a typical article, and a heavy page (230 requests, 3 MB).

Run their server as `python -m bench.pages PORT`.
"""

import io
import random
import sys
from collections.abc import Iterator

from aiohttp import web

from bench.pictures import SEED, photograph

Site = dict[str, tuple[bytes, str]]
JPEG, CSS, JS, HTML = "image/jpeg", "text/css", "text/javascript", "text/html; charset=utf-8"


def build() -> Site:
    rng = random.Random(SEED)
    return dict([*_simple(rng), *_typical(rng), *_heavy(rng)])


def _simple(rng: random.Random) -> Iterator[tuple[str, tuple[bytes, str]]]:
    yield "/simple", (_html("simple", f"<h1>Simple</h1>{_prose(rng, 12)}"), HTML)


def _typical(rng: random.Random) -> Iterator[tuple[str, tuple[bytes, str]]]:
    """Generate a photograph, 9 images, 3 style sheets, 5 scripts."""
    yield "/typical/photo.jpg", (_jpeg(1200, 675, rng, 70), JPEG)
    for number in range(9):
        yield f"/typical/{number}.jpg", (_jpeg(300, 200, rng, 60), JPEG)
    yield from _assets("typical", rng, sheets=3, scripts=5, size=12_000)
    images = "".join(f'<img src="/typical/{number}.jpg" width="300" height="200" alt="">' for number in range(9))
    photo = '<img src="/typical/photo.jpg" width="1200" height="675" alt="">'
    yield "/typical", (_html("typical", f"<h1>Typical</h1>{photo}{_prose(rng, 10)}{images}", 3, 5), HTML)


def _heavy(rng: random.Random) -> Iterator[tuple[str, tuple[bytes, str]]]:
    """Generate 230 requests and 3 MB: the page, 9 style sheets, 20 scripts, 200 images."""
    for number in range(200):
        yield f"/heavy/{number}.jpg", (_jpeg(240, 160, rng, 75), JPEG)
    yield from _assets("heavy", rng, sheets=9, scripts=20, size=30_000)
    images = "".join(f'<img src="/heavy/{number}.jpg" width="120" height="80" alt="">' for number in range(200))
    yield "/heavy", (_html("heavy", f"<h1>Heavy</h1>{images}{_prose(rng, 60)}", 9, 20), HTML)


def _assets(
    page: str, rng: random.Random, *, sheets: int, scripts: int, size: int
) -> Iterator[tuple[str, tuple[bytes, str]]]:
    for number in range(sheets):
        rules = (
            f".c{rng.randrange(10**6)} {{ margin: {rng.randrange(40)}px; color: #{rng.randrange(4096):03x} }}\n"
            for _ in range(size // 50)
        )
        yield f"/{page}/{number}.css", (f"body {{ font-family: sans-serif }}\n{''.join(rules)}".encode(), CSS)
    for number in range(scripts):
        lines = (f"window.v{rng.randrange(10**6)} = [{rng.random()}].map(x => x * 2);\n" for _ in range(size // 60))
        yield f"/{page}/{number}.js", ("".join(lines).encode(), JS)


def _html(name: str, body: str, sheets: int = 0, scripts: int = 0) -> bytes:
    links = "".join(f'<link rel="stylesheet" href="/{name}/{number}.css">' for number in range(sheets))
    code = "".join(f'<script src="/{name}/{number}.js"></script>' for number in range(scripts))
    return f"<!doctype html><html lang=en><meta charset=utf-8><title>{name}</title>{links}{code}<body>{body}".encode()


def _prose(rng: random.Random, paragraphs: int) -> str:
    def word() -> str:
        return "".join(rng.choices("etaoinshrdlu", k=rng.randint(2, 9)))

    return "".join(f"<p>{' '.join(word() for _ in range(80))}</p>" for _ in range(paragraphs))


def _jpeg(width: int, height: int, rng: random.Random, quality: int) -> bytes:
    buffer = io.BytesIO()
    photograph(width, height, rng).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _serve(site: Site) -> web.Application:
    async def answer(request: web.Request) -> web.Response:
        if request.path not in site:
            return web.Response(status=404)
        body, content_type = site[request.path]
        kind, _, _charset = content_type.partition(";")
        return web.Response(
            body=body, content_type=kind, charset="utf-8" if _charset else None, headers={"Cache-Control": "no-store"}
        )

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    return app


if __name__ == "__main__":
    web.run_app(_serve(build()), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
