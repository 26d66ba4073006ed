"""Where the engine cannot ask for the frames of a page, the page draws by itself, in real time, and the log says so."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.headless_shell import chromium as chromium_of_this_machine
from tests.engine.conftest import small_engine
from tests.engine.page.test_options import BLUE, GREEN, body, colour, picture
from tests.support.engine import Engine, eventually
from tests.support.pages_at_rest import SIZE
from tests.support.site import Site

GREEN_NOW = "document.body.style.background = 'green'"
TURNS_GREEN = f"<script>onload = () => setTimeout(() => {{ {GREEN_NOW} }}, 1500)</script>"
# Stands between the engine and the headless shell, whose pipe is descriptors 3 and 4, and refuses what a full Chromium
# refuses. Everything else is the shell's own.
UNCONTROLLED = """#!{python} -IS
import json, os, sys, threading

def messages(source):
    rest = b""
    while chunk := os.read(source, 1 << 20):
        *whole, rest = (rest + chunk).split(b"\\0")
        yield from whole

def answer(message):
    with writing:
        os.write(4, message + b"\\0")

def copy_answers():
    for message in messages(answers):
        answer(message)
    os._exit(0)

(orders, to_shell), (answers, from_shell) = os.pipe(), os.pipe()
if not os.fork():
    os.dup2(orders, 3)
    os.dup2(from_shell, 4)
    os.execv("{shell}", ["{shell}", *sys.argv[1:]])
os.close(from_shell)
writing = threading.Lock()
threading.Thread(target=copy_answers, daemon=True).start()
for message in messages(3):
    call = json.loads(message)
    if call["method"].startswith("HeadlessExperimental.") or "enableBeginFrameControl" in call["params"]:
        del call["params"]
        answer(json.dumps(call | {{"error": {{"code": -32601, "message": "not found"}}}}).encode())
    else:
        os.write(to_shell, message + b"\\0")
"""


@pytest.fixture(scope="module")
def uncontrolled(site: Site) -> Iterator[Engine]:
    """An engine whose browser has no frame control."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        chromium = Path(name) / "chromium"
        real = chromium_of_this_machine()
        chromium.write_text(UNCONTROLLED.format(python=Path(sys.executable).resolve(), shell=real))
        chromium.chmod(0o755)
        # The browser's own account may be barred from the folder of this Python.
        with small_engine(site, ENGINE_CHROMIUM=chromium, ENGINE_BROWSER_USER="root") as engine:
            yield engine


def test_a_page_is_at_rest_where_frames_cannot_be_controlled_and_the_log_says_so(uncontrolled: Engine, site: Site):
    url = site.add("/uncontrolled", body("red", TURNS_GREEN))
    assert colour(uncontrolled.capture(url, **SIZE)) == GREEN
    [logged] = eventually(lambda: uncontrolled.logged("frames_not_controlled"))
    assert "Chrome" in logged["browser"]
    assert uncontrolled.logged("page_not_drawn") == []


def test_a_whole_page_is_captured_where_frames_cannot_be_controlled(uncontrolled: Engine, site: Site):
    below = "<div style='height:900px'></div><div id=end style='height:100px'></div>"
    shown = "new IntersectionObserver(() => { end.style.background = 'blue' }).observe(end)"
    url = site.add("/uncontrolled-tall", body("green", f"{below}<script>{shown}</script>"))
    whole = picture(uncontrolled.capture(url, full_page=True, **SIZE))
    assert whole.size == (400, 1000)
    assert (whole.getpixel((200, 800)), whole.getpixel((200, 950))) == (GREEN, BLUE)


def test_a_page_that_does_not_draw_under_control_is_captured_without_and_the_log_says_so(engine: Engine, site: Site):
    """This one waits for its clock inside a task, which stands still under control."""
    waits = f"const end = Date.now() + 40; while (Date.now() < end); {GREEN_NOW}"
    url = site.add(
        "/waits-for-its-clock", body("red", f"<script>onload = () => setTimeout(() => {{ {waits} }}, 300)</script>")
    )
    logged_before = len(engine.logged("page_not_drawn"))
    assert colour(engine.capture(url, **SIZE)) == GREEN
    logged = eventually(lambda: engine.logged("page_not_drawn")[logged_before:])
    assert [entry["host"] for entry in logged] == [site.host]
    assert engine.logged("frames_not_controlled") == []
