#!/usr/bin/env python3
"""Makes the pictures of docs/web.md anew: real runs on a server of its own, seen in Chromium.

.venv/bin/python tools/screenshots.py            # all
.venv/bin/python tools/screenshots.py run queue  # these
"""

import argparse
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers import RunningServer  # noqa: E402 - the repository's root is not on the path before
from tests.web.browser.house import House  # noqa: E402

IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
SETTLED_MS = 1_500


class ShownHouse(House):
    """Runs that are long enough to look at."""

    @functools.cached_property
    def trained(self) -> dict[str, Any]:
        return self.finished(self.start(name="parcels", max_steps=80, eval_split=0.2, eval_steps=10))

    @functools.cached_property
    def slower(self) -> dict[str, Any]:
        return self.finished(self.start(name="slower parcels", max_steps=80, learning_rate=1e-4))

    @functools.cached_property
    def live(self) -> dict[str, Any]:
        run = self.start(name="many parcels", max_steps=100_000)
        self.start(name="the next parcels", max_steps=100)
        return self.progressed(run, 20)


class Picture:
    """`path`: below `/ui/`. `prepare`: what is clicked before the picture is taken."""

    def __init__(
        self,
        path: Callable[[ShownHouse], str],
        *,
        language: str = "en",
        scheme: str = "light",
        prepare: Callable[[Page], None] | None = None,
    ) -> None:
        self.path = path
        self.language = language
        self.scheme = scheme
        self.prepare = prepare


def ask(page: Page) -> None:
    page.get_by_label("메시지", exact=True).fill("Where is parcel 7?")
    page.get_by_role("button", name="보내기").click()
    page.get_by_text("delivery").first.wait_for()


PICTURES = {
    "tour": Picture(lambda house: ""),
    "new-run": Picture(lambda house: f"new?from={house.trained['id']}", language="ja-JP"),
    "run": Picture(lambda house: f"runs/{house.trained['id']}?smoothing=0.6"),
    "compare": Picture(lambda house: f"compare?run={house.trained['uid']}&run={house.slower['uid']}", scheme="dark"),
    "dataset": Picture(lambda house: f"datasets/{house.dataset_id}?tab=statistics", language="zh-CN"),
    "playground": Picture(lambda house: f"playground?model={house.trained['id']}", language="ko-KR", prepare=ask),
    "overview": Picture(lambda house: f"?live={house.live['id']}"),
}


def main(names: list[str]) -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as home, RunningServer(Path(home)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("FINERY_TEST_BROWSER") or shutil.which("chromium"),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        with httpx.Client(base_url=server.url, timeout=60.0, trust_env=False) as client:
            house = ShownHouse(client)
            for name in names or PICTURES:
                picture = PICTURES[name]
                page = browser.new_page(
                    locale=picture.language, color_scheme="dark" if picture.scheme == "dark" else "light", viewport=SIZE
                )
                page.goto(f"{server.url}/ui/{picture.path(house)}")
                page.get_by_role("heading", level=1).first.wait_for()
                if picture.prepare is not None:
                    picture.prepare(page)
                page.wait_for_timeout(SETTLED_MS)
                page.screenshot(path=IMAGES / f"{name}.png")
                page.close()
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*PICTURES, []], metavar="NAME")
    main(parser.parse_args().names)
