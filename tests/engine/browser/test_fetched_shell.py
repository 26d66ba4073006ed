"""The engine captures a page with a headless shell that Playwright's installer fetched, from a mirror of the test's own."""

import tempfile
from pathlib import Path

import pytest

from scripts import headless_shell
from tests.engine.conftest import small_engine
from tests.engine.page.test_options import GREEN, body, colour
from tests.support.browser_mirror import SHELL, archive_of, running_mirror
from tests.support.site import Site

NEEDLESS = ("chrome-sandbox", "chrome_crashpad_handler")


def installed_files() -> dict[str, Path]:
    """The files of this machine's headless shell, under the names that they have in Playwright's archive."""
    shell = headless_shell.chromium()
    beside = [path for path in shell.parent.iterdir() if path.is_file() and path.name not in (shell.name, *NEEDLESS)]
    return {path.name: path for path in beside if "vk" not in path.name.lower()} | {SHELL: shell}  # no graphics card


@pytest.mark.timeout(120)
def test_the_engine_captures_a_page_with_a_shell_that_was_fetched(site: Site, monkeypatch: pytest.MonkeyPatch):
    with tempfile.TemporaryDirectory() as name, running_mirror(archive_of(installed_files())) as mirror:
        Path(name).chmod(0o711)  # the browser runs as another user
        folder = Path(name) / "browsers"
        monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", mirror.url)
        headless_shell.fetch(folder)
        (shell,) = headless_shell.fetched(folder)
        assert shell.is_relative_to(folder)
        with small_engine(site, ENGINE_CHROMIUM=shell) as engine:
            assert colour(engine.capture(site.add("/fetched", body("green")))) == GREEN
