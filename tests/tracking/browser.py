"""A headless Chromium, driven through WebDriver with the standard library."""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from ports import free_port

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1600,1400",
]


def is_installed() -> bool:
    return all(map(shutil.which, ("chromium", "chromedriver")))


class Browser:
    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="tunelab-chromium-")
        port = free_port()
        self._driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL)
        self._address = f"http://127.0.0.1:{port}"
        self._wait_for_driver()
        options = {"args": [*FLAGS, f"--user-data-dir={self._profile}"], "binary": shutil.which("chromium")}
        capabilities = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._address += f"/session/{self._ask('/session', capabilities)['sessionId']}"

    def open(self, url: str) -> None:
        self._ask("/url", {"url": url})

    def run(self, script: str) -> Any:
        return self._ask("/execute/sync", {"script": script, "args": []})

    def wait_for(self, script: str, seconds: float = 40.0) -> Any:
        """Wait until a script returns something true; return it."""
        until = time.monotonic() + seconds
        while not (result := self.run(script)):
            assert time.monotonic() < until, f"not on the page in {seconds} s: {script}\n{self.text()[-3000:]}"
            time.sleep(0.2)
        return result

    def text(self) -> str:
        return str(self.run("return document.body.innerText"))

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._ask("/screenshot", None)))

    def close(self) -> None:
        with urlopen(Request(self._address, method="DELETE"), timeout=20):
            pass
        self._driver.terminate()
        self._driver.wait()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _ask(self, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._address + path, data, {"Content-Type": "application/json"})
        with urlopen(request, timeout=90) as response:
            return json.load(response)["value"]

    def _wait_for_driver(self) -> None:
        until = time.monotonic() + 20
        while True:
            try:
                with urlopen(f"{self._address}/status", timeout=1):
                    return
            except (URLError, OSError):
                assert time.monotonic() < until, "chromedriver does not answer"
                time.sleep(0.05)
