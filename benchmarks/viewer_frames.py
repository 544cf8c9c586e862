"""What a user sees of streamed splats: frames a second and latency while the camera moves, and the first picture."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import ROOT, print_table
from viewer_server import BITS, BLOCK, served

WIDTH, HEIGHT = 640, 480
BAR_FRAMES, BAR_FIRST = 10.0, 5.0
SECONDS = 8.0  # of dragging
FLAGS = [
    "--no-sandbox", "--ignore-gpu-blocklist", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--no-first-run", "--disable-background-networking",
]  # fmt: skip

# The page talks to the server through a worker: what it posts to it is sent. A picture is uploaded as a texture; it is
# on the screen when the next animation frame begins.
HOOKS = """
window.sent = []; window.shown = [];
const clock = () => performance.now();
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (content, ...rest) {
  const message = content && content.message;
  if (message && message.type === "ViewerCameraMessage") window.sent.push([clock(), ...message.position]);
  return post.call(this, content, ...rest);
};
const paper = document.createElement("canvas");
paper.width = BITS * BLOCK; paper.height = BLOCK;
const pen = paper.getContext("2d", { willReadFrequently: true });
const numberIn = (image) => {
  pen.drawImage(image, 0, 0);
  const pixels = pen.getImageData(0, 0, paper.width, paper.height).data;
  let number = 0;
  for (let bit = 0; bit < BITS; bit++) {
    const x = bit * BLOCK + BLOCK / 2;
    if (pixels[4 * (BLOCK / 2 * paper.width + x)] > 127) number += 1 << bit;
  }
  return number;
};
for (const name of ["texImage2D", "texSubImage2D"]) {
  const upload = WebGL2RenderingContext.prototype[name];
  WebGL2RenderingContext.prototype[name] = function (...given) {
    const image = given.find((x) => x instanceof HTMLImageElement || x instanceof ImageBitmap);
    if (image) {
      const number = numberIn(image);
      const uploaded = clock();
      requestAnimationFrame(() => window.shown.push([clock(), uploaded, number, image.width]));
    }
    return upload.apply(this, given);
  };
}
""".replace("BITS", str(BITS)).replace("BLOCK", str(BLOCK))


@contextmanager
def page_of_browser() -> Iterator[Any]:
    """A page of Chromium drawn by the processor, with the hooks."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("GEOKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("there is no Chromium here: apt install chromium, or name one in GEOKIT_CHROMIUM")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(120_000)
        page.add_init_script(HOOKS)
        yield page
        browser.close()


def shown_first(page: Any, patience: float = 120.0) -> float:
    """Wait for the first picture; the time on `time.perf_counter` at which it was seen to be there."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        if page.evaluate("window.shown && window.shown.length"):
            return time.perf_counter()
        time.sleep(0.02)
    raise SystemExit(f"no picture came within {patience:.0f} s")


def drag(page: Any, seconds: float) -> float:
    """Turn the camera by the mouse, down the left half where no panel is; returns the seconds it took."""
    start = time.perf_counter()
    page.mouse.move(200, 300)
    page.mouse.down()
    step = 0
    while time.perf_counter() - start < seconds:
        step += 1
        page.mouse.move(200 + step % 60 - 2 * max(0, step % 60 - 30), 300 + step % 40 - 2 * max(0, step % 40 - 20))
    page.mouse.up()
    return time.perf_counter() - start


def frames_case(count: int, waves: int, budget: float | None) -> dict[str, Any]:
    """Drag for a while; pictures are matched to the camera messages by the number that is written into them."""
    with served(count, waves, budget, numbered=True) as server, page_of_browser() as page:
        page.goto(server.url + "?fixedDpr=1")  # else viser draws fewer pixels where the browser is slow
        shown_first(page)
        drag(page, 2.0)  # the resolution finds its place
        time.sleep(1.0)
        before = server.ask()
        page.evaluate("window.sent.length = 0, window.shown.length = 0")
        took = drag(page, SECONDS)
        sent, shown = page.evaluate("[window.sent, window.shown]")
        after = server.ask()
        time.sleep(1.0)
        last = page.evaluate("window.shown.at(-1)[3]")
    asked = {tuple(round(x, 6) for x in position): at for at, *position in sent}
    latencies, browser, widths = [], [], []
    for at, uploaded, number, width in shown:
        drawn = after["drawn"][number] if number < len(after["drawn"]) else None
        began = drawn and asked.get(tuple(round(x, 6) for x in drawn["position"]))
        if began is not None:
            latencies.append((at - began) / 1e3)
            browser.append((at - uploaded) / 1e3)
            widths.append(width)
    if not latencies:
        raise SystemExit("no picture could be matched to a camera message")
    frames = after["frames"] - before["frames"]
    rate = len({number for _, _, number, _ in shown}) / took
    return {
        "splats": count,
        "waves": waves,
        "drafts": "as fast as 60 ms" if budget is None else "whole canvas",
        "frames/s": rate,
        "latency ms": 1e3 * statistics.median(latencies),
        "95 %": 1e3 * sorted(latencies)[int(0.95 * len(latencies))],
        "width moving": int(statistics.median(widths)),
        "width resting": last,
        "render ms": 1e3 * (after["render"] - before["render"]) / frames,
        "encode ms": 1e3 * (after["encode"] - before["encode"]) / frames,
        "upload to shown ms": 1e3 * statistics.median(browser),
        "matched": len(latencies),
        "bar": rate >= BAR_FRAMES if (count, waves) == (100_000, 0) else None,
    }


def frames_section() -> list[dict[str, Any]]:
    """100,000 splats of 6 px all over the canvas: as it is, at whole resolution throughout, and with a wave each."""
    rows = [frames_case(100_000, waves, budget) for waves, budget in ((0, None), (0, 10.0), (1, None))]
    print_table(
        f"Streamed splats, {WIDTH} x {HEIGHT} canvas, Chromium without a graphics card on the same cores", rows,
        f"from the camera message to the picture on the screen; bar: at least {BAR_FRAMES:.0f} frames/s of Gaussians",
    )  # fmt: skip
    return rows


def first_case(count: int) -> dict[str, Any]:
    """From the command to the first picture: process start, reading, page, picture. The browser runs already."""
    from splatting_scenes import random_scene

    from geokit.io import save_splats

    with tempfile.TemporaryDirectory() as folder, page_of_browser() as page:
        path = Path(folder) / "scene.ply"
        save_splats(path, random_scene(count, WIDTH, HEIGHT, 3.0)[0])
        size = path.stat().st_size / 2**20
        start = time.perf_counter()
        command = "from geokit.cli.main import main; raise SystemExit(main())"
        process = subprocess.Popen(
            [sys.executable, "-c", command, "view", str(path), "--no-open", "--port", "0"],
            stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            served_at = time.perf_counter()
            page.goto(line.split("viewer is at ")[1].split(";")[0])
            shown = shown_first(page)
        finally:
            process.terminate()
            process.wait(timeout=20)
    return {
        "splats": count,
        "file MB": size,
        "to the address s": served_at - start,
        "address to picture s": shown - served_at,
        "in all s": shown - start,
        "bar": shown - start < BAR_FIRST,
    }


def first_section() -> list[dict[str, Any]]:
    """A file of a million splats, opened by the command."""
    rows = [first_case(1_000_000)]
    print_table("First picture of a file", rows, f"bar: under {BAR_FIRST:.0f} s")
    return rows
