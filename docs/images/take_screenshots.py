"""Takes the screenshots of the documents: the UI of the demo in headless Chromium.

    make screenshots                                    into docs/images
    python docs/images/take_screenshots.py FOLDER URL   of a UI that runs already

Needs `chromium` or `google-chrome` on the path. Each picture waits for what it is to
show, and fails if that doesn't come.
"""

import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

WIDTH, HEIGHT, MARGIN = 1500, 1000, 12
WAIT_SECONDS = 90
MOST_BYTES = 150_000
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DAY = "2017-12-31"
YEAR = "[2017-01-01...2017-12-31]"
NODES = "foreignObject"
FRAME = """nodes => {
    const all = nodes.map(node => node.getBoundingClientRect());
    const least = side => Math.min(...all.map(box => box[side]));
    const most = side => Math.max(...all.map(box => box[side]));
    return [least('left'), least('top'), most('right'), most('bottom')];
}"""

HIDE = """() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode;
        node.data = node.data.replace(/\\/\\S*(?=\\/store\\/)/, '/srv/abintel');
    }
}"""
"""Nobody needs to know where the demo's folder was."""


@dataclass(frozen=True)
class Picture:
    """A page, the texts that must be on it, what is done before the shot, and what part is kept."""

    name: str
    path: str
    shows: tuple[str, ...]
    before: Callable[[Page], None] | None = None
    part: Callable[[Page], tuple[float, float, float, float]] | None = None
    width: int = WIDTH
    height: int = HEIGHT


def choose_a_year(page: Page) -> None:
    """Open the dialog in which a range of days is launched, and choose the days."""
    page.get_by_role("button", name="Materialize all").click()
    page.get_by_text("Show all partitions").click()
    days = page.get_by_role("dialog").get_by_role("textbox")
    days.fill(YEAR)
    days.press("Enter")


def around_the_assets(page: Page) -> tuple[float, float, float, float]:
    left, top, right, bottom = page.locator(NODES).evaluate_all(FRAME)
    return left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN


GROUPS = "expanded=global%40global%3Adeliveries%2Cglobal%40global%3Asnapshots"
PICTURES = (
    Picture(
        "asset-graph",
        f"/asset-groups?{GROUPS}",
        ("raw_transactions", "rfm_thresholds", "filled"),
        part=around_the_assets,
        width=2400,
        height=1400,
    ),
    Picture(
        "asset-overview",
        "/assets/customer_rfm?view=overview",
        ("customer_rfm", "recency_score", "Columns"),
    ),
    Picture(
        "asset-partition",
        f"/assets/customer_rfm?view=partitions&partition={DAY}",
        (DAY, "partition_row_count", "2469"),
    ),
    Picture(
        "asset-checks",
        "/assets/customer_rfm?view=checks&checkDetail=verified",
        ("verified", "tier_shares"),
    ),
    Picture(
        "backfill-dialog",
        f"/asset-groups?{GROUPS}",
        ("365 partitions", "Launch backfill"),
        before=choose_a_year,
    ),
)


def take(page: Page, url: str, picture: Picture) -> Image.Image:
    """One picture. Raises playwright's TimeoutError when something it is to show doesn't come."""
    page.set_viewport_size({"width": picture.width, "height": picture.height})
    page.goto(url + picture.path)
    page.wait_for_load_state("networkidle")
    if picture.before:
        picture.before(page)
    for text in picture.shows:
        page.get_by_text(text).first.wait_for()
    time.sleep(2)  # drawings come in with a movement
    page.evaluate(HIDE)
    shot = Image.open(io.BytesIO(page.screenshot()))
    return shot.crop(tuple(map(int, picture.part(page)))) if picture.part else shot


def take_all(folder: Path, url: str) -> None:
    """Every picture, as a small PNG of 256 colours."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"no browser: install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(timezone_id="UTC", locale="en-GB")
        page.set_default_timeout(WAIT_SECONDS * 1000)
        for picture in PICTURES:
            shot = take(page, url, picture)
            target = folder / f"{picture.name}.png"
            shot.convert("RGB").quantize(256).save(target, optimize=True)
            size = target.stat().st_size
            print(f"{target}: {shot.width} x {shot.height}, {size // 1000} kB")
            if size > MOST_BYTES:
                sys.exit(f"{target} is larger than {MOST_BYTES // 1000} kB")
        chromium.close()


@contextlib.contextmanager
def demo() -> Iterator[str]:
    """The address of a UI that shows the demo."""
    abintel = str(Path(sys.executable).with_name("abintel"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as data:
        environment = os.environ | {"ABINTEL_DATA_DIR": data}
        subprocess.run([abintel, "demo"], env=environment, check=True)
        port = _free_port()
        with subprocess.Popen([abintel, "ui", "--port", str(port)], env=environment) as ui:
            try:
                _wait_for(f"http://127.0.0.1:{port}/server_info")
                yield f"http://127.0.0.1:{port}"
            finally:
                ui.terminate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            urllib.request.urlopen(url, timeout=5).close()
            return
        time.sleep(0.5)
    sys.exit(f"no answer from {url} within {WAIT_SECONDS} s")


def main(folder: str = str(Path(__file__).parent), url: str = "") -> None:
    with contextlib.nullcontext(url) if url else demo() as address:
        take_all(Path(folder), address.rstrip("/"))


if __name__ == "__main__":
    main(*sys.argv[1:])
