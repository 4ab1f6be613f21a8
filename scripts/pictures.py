"""Makes the README's pictures from live runs of the demo: `make pictures`."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import aclosing
from pathlib import Path

from playwright.async_api import async_playwright
from rich.console import Console

from rig.demo import follow
from rig.demo.director import direct
from rig.demo.screen import Terminal
from rig.demo.stage import staged

IMAGES = Path(__file__).parents[1] / "docs" / "images"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
WIDTH, HEIGHT = 1360, 860


async def terminal(path: Path) -> int:
    """The demo of one issue, as rich draws a terminal."""
    console = Console(record=True, width=112, highlight=False, force_terminal=True, color_system="truecolor")
    code = await direct(Terminal(console, issues=1), issues=1, agents=1, keep=False, timeout=300)
    _write(path, re.sub(r"@font-face \{[^}]*\}", "", console.export_svg(title="rig demo")))
    return code


def _write(path: Path, picture: str) -> None:
    path.write_text(picture)  # without rich's fonts, which would be fetched from elsewhere


async def page(path: Path) -> None:
    """The first page while six issues are on their way."""
    async with staged(agents=2) as stage:
        await asyncio.gather(*(stage.file_issue(number) for number in range(6)))
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
            view = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.5)
            await view.goto(stage.url)
            async with aclosing(follow.events(stage.url)) as events:
                async for event in events:
                    if event["type"] == "REVIEW_PASSED":
                        break
            await view.wait_for_selector("#connection.live")
            await view.wait_for_selector("td .done", timeout=120_000)
            await view.screenshot(path=path)
            await browser.close()


async def main() -> int:
    IMAGES.mkdir(parents=True, exist_ok=True)
    await page(IMAGES / "page.png")
    return await terminal(IMAGES / "demo.svg")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
