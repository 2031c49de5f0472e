"""A headless Chromium for tests, spoken to in the W3C WebDriver protocol, so that no Python package is needed."""

import base64
import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


class Browser:
    """One window of Chromium.

    Raises:
        pytest.skip.Exception: Where Chromium or its driver is absent.
    """

    def __init__(self, width: int = 1300, height: int = 1000, *flags: str) -> None:
        chromium, driver = shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")
        if not chromium or not driver:
            pytest.skip("chromium and chromedriver are not installed (Debian packages chromium, chromium-driver)")
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [driver, "--port=0"]  # any free port; it says which
        self._driver = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._session = ""
        try:
            self._base = f"http://127.0.0.1:{self._port()}"
            arguments = [*FLAGS, f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}", *flags]
            options = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": chromium, "args": arguments},
                "goog:loggingPrefs": {"browser": "ALL"},
            }
            started = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
            self._session = f"/session/{started['sessionId']}"
        except BaseException:
            self.close()
            raise

    def open(self, page: Path) -> None:
        """Loads a file and waits until it is there."""
        self._ask("POST", f"{self._session}/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """What a script returns."""
        return self._ask("POST", f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, seconds: float = 20) -> None:
        """Until a script returns something true.

        Raises:
            AssertionError: If it does not in time.
        """
        asked = f"const ask = () => {{ {script} }}; const [most, done] = arguments; const end = Date.now() + most;"
        asked += "(function again() { if (ask()) done(true); else if (Date.now() > end) done(false);"
        asked += " else setTimeout(again, 20); })();"
        said = self._ask("POST", f"{self._session}/execute/async", {"script": asked, "args": [1000 * seconds]})
        assert said, f"not within {seconds} s: {script}"

    def click(self, selector: str) -> None:
        """A real click in the middle of an element, brought into view."""
        found = self._ask("POST", f"{self._session}/element", {"using": "css selector", "value": selector})
        self._ask("POST", f"{self._session}/element/{next(iter(found.values()))}/click", {})

    def log(self) -> list[str]:
        """What the console said since the last time: errors, warnings, refusals."""
        return [entry["message"] for entry in self._ask("POST", f"{self._session}/se/log", {"type": "browser"})]

    def devtools(self, command: str, **parameters: Any) -> Any:
        """Sends a command of the DevTools protocol."""
        asked = {"cmd": command, "params": parameters}
        return self._ask("POST", f"{self._session}/goog/cdp/execute", asked)

    def screenshot(self, path: Path) -> None:
        """The whole page as PNG."""
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """Ends browser and driver."""
        try:
            if self._session:
                self._ask("DELETE", self._session)
        finally:
            self._driver.terminate()
            self._driver.communicate()
            self._profile.cleanup()

    def _port(self) -> int:
        """Where the driver listens, as soon as it says so."""
        assert self._driver.stdout is not None
        for line in self._driver.stdout:
            if found := re.search(r"successfully on port (\d+)", line):
                return int(found[1])
        raise AssertionError("chromedriver ended before it listened")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, {"Content-Type": "application/json"}, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback, whatever the environment says
        try:
            with opener.open(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{method} {path}: {error.read().decode()[:2000]}") from None
