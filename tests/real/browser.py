"""A real Chromium, driven over its own pipe: no driver, no port.

Source: Chrome DevTools Protocol, ``--remote-debugging-pipe``: JSON messages with a
NUL behind each, in on descriptor 3 and out on 4.
"""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


class Browser:
    """One Chromium with one page."""

    def __init__(self, profile):
        in_, self._out = os.pipe()
        self._in, out = os.pipe()
        flags = " ".join([*FLAGS, f"--user-data-dir={profile}"])
        program = shutil.which("chromium") or "chromium"
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {program} {flags} about:blank 3<&{in_} 4>&{out}"],
            pass_fds=(in_, out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(in_)
        os.close(out)
        self._numbers = itertools.count(1)
        self._left = b""
        self._session = None
        self.complaints, self.asked = [], []
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        attached = self.do("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.do("Page.enable")
        self.do("Log.enable")
        self.do("Network.enable")
        self.complaints, self.asked = [], []

    def close(self):
        self._process.terminate()
        self._process.wait(30)
        os.close(self._in)
        os.close(self._out)

    def do(self, method, **parameters):
        """Send one command; give its result."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            told = self._read()
            if told.get("method") == "Log.entryAdded":
                self.complaints.append(told["params"]["entry"]["text"])
            if told.get("method") == "Network.requestWillBeSent":
                self.asked.append(told["params"]["request"]["url"])
            if told.get("id") == number:
                assert "error" not in told, told
                return told["result"]

    def _read(self):
        while b"\0" not in self._left:
            more = os.read(self._in, 1 << 20)
            assert more, "Chromium ended"
            self._left += more
        text, _, self._left = self._left.partition(b"\0")
        return json.loads(text)

    def size(self, width, height):
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def scripts(self, *, run):
        self.do("Emulation.setScriptExecutionDisabled", value=not run)

    def dark(self, *, on):
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        self.do("Emulation.setEmulatedMedia", features=[feature])

    def press(self, name, text=""):
        """Press one key, as on a keyboard."""
        code = {"Tab": 9, "Enter": 13}[name]
        key = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        down = "keyDown" if text else "rawKeyDown"
        self.do("Input.dispatchKeyEvent", type=down, text=text, **key)
        self.do("Input.dispatchKeyEvent", type="keyUp", **key)

    def open(self, url):
        """Go there, and wait until it is loaded."""
        self.do("Page.navigate", url=url)
        self.wait(
            f"location.href === {json.dumps(url)} && document.readyState === 'complete'"
        )

    def run(self, script):
        """Evaluate *script* in the page, awaited; give its value."""
        found = self.do(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, condition, patience=60):
        """Wait until *condition* holds in the page."""
        end = time.monotonic() + patience
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, f"never: {condition}; {self.text()}"
            time.sleep(0.05)

    def text(self):
        return self.run("document.body.innerText")

    def picture(self, path, *, whole=True):
        """Write the page as PNG, or only what is seen of it first."""
        shot = self.do("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))
