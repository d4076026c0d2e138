"""Headless Chromium, and pictures of pages: `python -m tests.browser ADDRESS FILE` writes one."""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM, CHROMEDRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "chromium and chromedriver are not installed: apt install chromium chromium-driver"


@contextmanager
def chromium() -> Iterator[Any]:
    """Drive a headless Chromium; RuntimeError if it is not installed."""
    if not (CHROMIUM and CHROMEDRIVER):
        raise RuntimeError(MISSING)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for switch in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
    ):
        options.add_argument(switch)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(service=Service(CHROMEDRIVER), options=options)
    try:
        yield driver
    finally:
        driver.quit()


def screen(driver: Any, width: int, height: int, *, scheme: str = "light", scale: float = 1) -> None:
    """Give the browser a screen of this size, in CSS pixels, and the colours that its user prefers."""
    size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def picture(driver: Any, path: Path) -> None:
    """Write a picture of the whole page that the browser shows."""
    made = driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    path.write_bytes(base64.b64decode(made["data"]))


if __name__ == "__main__":
    address, path, *rest = sys.argv[1:]
    with chromium() as driver:
        screen(driver, int(rest[0]) if rest else 1280, 800, scheme=rest[1] if rest[1:] else "light")
        driver.get(address)
        picture(driver, Path(path))
