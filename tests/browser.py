#!/usr/bin/env python3
"""The incident report in headless Chromium, as readers have it: a file that they open.

    tests/browser.py target/release/siptrace [--screenshots DIR]

Makes reports of fixtures and looks at them: no request to anywhere and no message of the console,
the policy in force, filter, sort and ladder by mouse and by keyboard, contrast in light and dark,
the width of a phone, print to PDF. Exits with 0, with 1 where something is not as it should be, and
with 77 where Chromium or its driver is not installed. Needs Python's standard library only.
"""

import argparse
import base64
import http.client
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Space": " ", "Tab": "\ue004",
        "ArrowLeft": "\ue012", "ArrowUp": "\ue013", "ArrowRight": "\ue014",
        "ArrowDown": "\ue015"}


class Browser:
    """A Chromium of our own, driven as the W3C's WebDriver says."""

    def __init__(self, chromium, driver, profile):
        self.process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.session = None
        port = None
        for line in self.process.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                port = int(found.group(1))
                break
        if port is None:
            raise RuntimeError("the driver does not start")
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        options = {"binary": chromium, "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--hide-scrollbars", "--force-color-profile=srgb", f"--user-data-dir={profile}"]}
        always = {"browserName": "chrome", "goog:chromeOptions": options,
                  "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}
        value = self.call("POST", "/session", {"capabilities": {"alwaysMatch": always}})
        self.session = value["sessionId"]

    def call(self, method, path, body=None):
        """One request to the driver."""
        data = None if body is None else json.dumps(body).encode()
        self.connection.request(method, path, data, {"Content-Type": "application/json"})
        value = json.loads(self.connection.getresponse().read())["value"]
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(f"{path}: {value['error']}: {value['message'][:300]}")
        return value

    def own(self, method, path, body=None):
        return self.call(method, f"/session/{self.session}{path}", body)

    def close(self):
        """Ends the browser, then its driver."""
        try:
            if self.session:
                self.own("DELETE", "")
        finally:
            self.process.terminate()
            self.process.wait(timeout=30)

    def open(self, path):
        self.own("POST", "/url", {"url": Path(path).resolve().as_uri()})

    def run(self, script, *args):
        """The value of a script in the page."""
        return self.own("POST", "/execute/sync", {"script": script, "args": list(args)})

    def cdp(self, command, **params):
        return self.own("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def find(self, selector):
        return self.own("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.own("POST", f"/element/{self.find(selector)}/click", {})

    def keys(self, *keys):
        """Presses keys where the focus is."""
        actions = []
        for key in keys:
            value = KEYS.get(key, key)
            actions += [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        body = {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]}
        self.own("POST", "/actions", body)

    def focus(self, selector):
        self.run("document.querySelector(arguments[0]).focus()", selector)

    def log(self, kind):
        return self.own("POST", "/se/log", {"type": kind})

    def size(self, width, height, scale=1):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=scale, mobile=width < 600)

    def scheme(self, name, media=""):
        self.cdp("Emulation.setEmulatedMedia", media=media,
                 features=[{"name": "prefers-color-scheme", "value": name}])

    def shot(self, path, selector=None, height=None):
        """A picture of an element, or of the page from its top."""
        if selector is None:
            box = self.run("return {x: 0, y: 0, width: innerWidth,"
                           " height: document.documentElement.scrollHeight}")
            box["height"] = min(box["height"], height or 12000)
        else:
            box = self.run("const box = document.querySelector(arguments[0])"
                           ".getBoundingClientRect(); return {x: box.x + scrollX,"
                           " y: box.y + scrollY, width: box.width, height: box.height}", selector)
        data = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=True,
                        clip={**box, "scale": 1})["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def pdf(self):
        """The page as it is printed."""
        data = self.cdp("Page.printToPDF", printBackground=False, paperWidth=8.27,
                        paperHeight=11.69)["data"]
        return base64.b64decode(data)
