"""Takes docs/images/asset-graph.png from the running UI (`make ui`), with headless Chromium.

    python docs/images/take_asset_graph.py [http://127.0.0.1:3000]

Needs `chromium` on the path, and the packages `pillow` and `websockets`.
"""

import base64
import io
import itertools
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from websockets.sync.client import ClientConnection, connect

TARGET = Path(__file__).with_name("asset-graph.png")
PAGE = "/asset-groups?expanded=global%40global%3Adeliveries%2Cglobal%40global%3Asnapshots"
WIDTH, HEIGHT, MARGIN = 2400, 1400, 12
ASSETS = 9
WAIT_SECONDS = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
NODES = "[...document.querySelectorAll('foreignObject')]"
DRAWN = NODES + ".filter(node => node.textContent.includes('filled')).length"
FRAME = """(() => {
    const all = NODES.map(node => node.getBoundingClientRect());
    const least = side => Math.min(...all.map(box => box[side]));
    const most = side => Math.max(...all.map(box => box[side]));
    return [least('left'), least('top'), most('right'), most('bottom')];
})()""".replace("NODES", NODES)


class Tab:
    """A browser tab, spoken to over the DevTools protocol."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    def call(self, method: str, **params: object) -> dict[str, Any]:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv())).get("id") != number:
            pass
        return dict(answer["result"])

    def value(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"][
            "value"
        ]


def photograph(tab: Tab, url: str) -> Image.Image:
    """The asset graph of the UI at `url`, cropped to its groups."""
    tab.call(
        "Emulation.setDeviceMetricsOverride",
        width=WIDTH,
        height=HEIGHT,
        deviceScaleFactor=1,
        mobile=False,
    )
    tab.call("Page.navigate", url=url + PAGE)
    _wait(lambda: tab.value(DRAWN) == ASSETS, f"{ASSETS} assets drawn at {url}")
    time.sleep(3)
    shot = base64.b64decode(tab.call("Page.captureScreenshot", format="png")["data"])
    left, top, right, bottom = tab.value(FRAME)
    return Image.open(io.BytesIO(shot)).crop(
        (int(left) - MARGIN, int(top) - MARGIN, int(right) + MARGIN, int(bottom) + MARGIN)
    )


def _wait(reached: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            sys.exit(f"gave up after {WAIT_SECONDS} s: {what}")
        time.sleep(0.5)


def main(url: str = "http://127.0.0.1:3000") -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            ["chromium", *FLAGS, f"--user-data-dir={profile}"], stderr=subprocess.DEVNULL
        )
        try:
            written = Path(profile) / "DevToolsActivePort"
            _wait(lambda: written.exists() and written.read_text().count("\n"), "chromium")
            port = written.read_text().splitlines()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
                page = next(tab for tab in json.load(answer) if tab["type"] == "page")
            with connect(page["webSocketDebuggerUrl"], max_size=None) as socket:
                picture = photograph(Tab(socket), url.rstrip("/"))
        finally:
            browser.terminate()
            browser.wait()
    picture.convert("RGB").quantize(256).save(TARGET, optimize=True)
    print(f"{TARGET}: {picture.width} x {picture.height}, {TARGET.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
