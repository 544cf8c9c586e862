"""A real browser for the viewer: Debian's Chromium without a window, driven by Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip("viser")

from geokit.viewer import Viewer

from tests.viewer.browser import PATIENCE, until

CHROMIUM = os.environ.get("GEOKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
# Drawn by the processor: no machine of ours needs a graphics card. The rest keeps it from calling home.
FLAGS = [f"--{flag}" for flag in (
    "no-sandbox", "ignore-gpu-blocklist", "use-angle=swiftshader", "enable-unsafe-swiftshader", "no-first-run",
    "disable-quic", "disable-background-networking", "disable-component-update", "disable-sync",
)]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, started once."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: apt install chromium, or name one in GEOKIT_CHROMIUM")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def opened(browser) -> Callable[..., Any]:
    """`with opened(viewer) as (page, client)`: a page that shows the viewer, and the viewer's handle of it."""

    @contextmanager
    def open_page(viewer: Viewer, width: int = 640, height: int = 480) -> Iterator[tuple[Any, Any]]:
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE * 1000)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        before = set(viewer.server.get_clients())
        page.goto(viewer.url)
        until(lambda: set(viewer.server.get_clients()) - before, "no client came")
        (number,) = set(viewer.server.get_clients()) - before
        try:
            yield page, viewer.server.get_clients()[number]
        finally:
            page.close()
        assert not errors, errors

    return open_page
