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


# What runs in the page.

CONTRAST = """
const channel = (value) => {
  const share = value / 255;
  return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
};
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parts = (color) => {
  const numbers = (color.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
  return numbers.length < 4 ? [...numbers, 1] : numbers;
};
const ground = (element) => {
  for (let own = element; own; own = own.parentElement) {
    const color = parts(getComputedStyle(own).backgroundColor);
    if (color[3] > 0) return color;
  }
  return parts(getComputedStyle(document.documentElement).backgroundColor);
};
const results = [];
for (const [selector, property, least, on] of arguments[0]) {
  const element = document.querySelector(selector);
  if (!element) continue;
  const front = parts(getComputedStyle(element)[property]);
  // What is filled may have a background as well, for its place in a legend.
  let back = ground(property === "color" ? element : element.parentElement);
  if (on) {
    const under = document.querySelector(on);
    if (!under) continue;
    back = parts(getComputedStyle(under).fill);
  }
  const [high, low] = [light(front), light(back)].sort((a, b) => b - a);
  results.push([selector, (high + 0.05) / (low + 0.05), least]);
}
return results;
"""

# Texts need 4.5, what only has to be seen 3 (WCAG 2.2, 1.4.3 and 1.4.11).
COLOURS = [
    ["body", "color", 4.5], [".byline", "color", 4.5], ["nav a", "color", 4.5],
    [".lead", "color", 4.5], [".verdict p", "color", 4.5], [".tiles dt", "color", 4.5],
    [".tiles .error dd", "color", 4.5], [".tiles .warn dd", "color", 4.5],
    [".badge.error", "color", 4.5], [".badge.warn", "color", 4.5], [".entry .times", "color", 4.5],
    [".facts dt", "color", 4.5], ["code", "color", 4.5], ["th", "color", 4.5],
    ["tr.error td:nth-child(6)", "color", 4.5], [".chart figcaption small", "color", 4.5],
    [".chart-box .tick", "fill", 4.5], [".chart-box .label", "fill", 4.5],
    [".chart-box .mark-label", "fill", 4.5], [".chart-box .bar-good", "fill", 3],
    [".chart-box .bar-plain", "fill", 3], [".chart-box .bar-user", "fill", 3],
    [".chart-box .bar-warn", "fill", 3], [".chart-box .bar-bad", "fill", 3],
    [".chart-box .lane.error", "fill", 3], [".ladder-head .party-name", "fill", 4.5],
    [".ladder-box .label", "fill", 4.5], [".ladder-box .label", "fill", 4.5, ".evidence"],
    [".ladder-box .note", "fill", 4.5], [".ladder-box .note", "fill", 4.5, ".evidence"],
    [".ladder-box .time", "fill", 4.5], [".ladder-box .time", "fill", 4.5, ".evidence"],
    [".ladder-box .break-label", "fill", 4.5, ".break"],
    [".ladder-box .request .shaft", "stroke", 3], [".ladder-box .bad .shaft", "stroke", 3],
    [".ladder-box .good .shaft", "stroke", 3], [".ladder-box .provisional .shaft", "stroke", 3],
    [".ladder-messages pre b", "color", 4.5], [".ladder-panel pre b", "color", 4.5],
    [".ladder-way", "color", 4.5], [".ladder-note", "color", 4.5],
]

ROWS = "return [...document.querySelectorAll('#calls-table tbody tr')].map((row) =>" \
       " [...row.cells].map((cell) => cell.textContent))"
PANEL = "const panel = document.querySelector('.ladder-panel'); return panel && panel.open"
FOCUS = "return document.activeElement.getAttribute('href')"

# Messages that would like to be markup.
HOSTILE = r"""# Markup in every place where text can stand.
host alice 192.0.2.1
host bob 192.0.2.2
0 alice > bob raw
| INVITE sip:<script>alert(1)</script>@example.com SIP/2.0
| Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1
| Max-Forwards: 70
| From: "</script><img src=x onerror=alert(2)>" <sip:'&lt;@example.com>;tag=1
| To: <sip:bob@example.com>
| Call-ID: </script><script>alert(3)</script>
| CSeq: 1 INVITE
| X-<b>: <style>*{display:none}</style> \xe2\x80\xae \x1b[31m
| Contact: <sip:alice@192.0.2.1>
| Content-Length: 0
|
+0.1 bob > alice raw
| SIP/2.0 503 </text></svg><script>alert(4)</script> \xd7\xa9\xd7\x9c \xe2\x81\xa7\xcc\x81
| Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1
| From: "</script><img src=x onerror=alert(2)>" <sip:'&lt;@example.com>;tag=1
| To: <sip:bob@example.com>;tag=2
| Call-ID: </script><script>alert(3)</script>
| CSeq: 1 INVITE
| Content-Length: 0
|
end 70
"""


class Report:
    """The checks of one page; what fails is gathered, so that one run tells all."""

    def __init__(self, browser, name, path):
        self.browser, self.name, self.path = browser, name, path
        self.failures = []
        browser.size(1200, 900)
        browser.scheme("light")
        for kind in ("performance", "browser"):
            browser.log(kind)
        browser.open(path)

    def expect(self, is_so, what):
        if not is_so:
            self.failures.append(f"{self.name}: {what}")

    def quiet(self):
        """No request but for the file itself, nothing on the console."""
        messages = [json.loads(entry["message"])["message"]
                    for entry in self.browser.log("performance")]
        asked = [message["params"]["request"]["url"] for message in messages
                 if message["method"] == "Network.requestWillBeSent"]
        own = self.path.resolve().as_uri()
        self.expect(asked, "the log shows no request at all, not even for the file")
        foreign = [url for url in asked if url.split("#")[0] != own]
        self.expect(not foreign, f"asks for {foreign[:3]}")
        self.expect(not (log := self.browser.log("browser")), f"the console says {log[:2]}")

    def sound(self):
        """One of each id, no link to nowhere, a name for each picture, one main heading."""
        found = self.browser.run("""
            const all = [...document.querySelectorAll("[id]")].map((own) => own.id);
            const links = [...document.querySelectorAll("a[href]")]
              .map((own) => own.getAttribute("href"));
            const labels = [...document.querySelectorAll("[aria-labelledby]")]
              .flatMap((own) => own.getAttribute("aria-labelledby").split(" "));
            const levels = [...document.querySelectorAll("h1, h2, h3, h4")]
              .map((own) => Number(own.localName[1]));
            return {
              twice: all.filter((id, place) => all.indexOf(id) !== place),
              nowhere: [...links.filter((link) => link.startsWith("#"))
                .map((link) => link.slice(1)), ...labels]
                .filter((id) => !document.getElementById(id)),
              outside: links.filter((link) => !/^(#|https:)/.test(link)),
              nameless: [...document.querySelectorAll("svg[role=img]")]
                .filter((own) => !own.querySelector("title")?.textContent.trim()).length,
              skipped: levels.filter((level, place) => place && level > levels[place - 1] + 1),
              first: levels[0],
              lang: document.documentElement.lang,
              images: document.querySelectorAll("img, iframe, object, link, script[src]").length,
            };""")
        for kind in ("twice", "nowhere", "outside", "skipped"):
            self.expect(not found[kind], f"ids, links or headings {kind}: {found[kind][:5]}")
        self.expect(found["nameless"] == 0, "a picture without a name")
        self.expect(found["images"] == 0, "something is loaded or embedded")
        self.expect(found["first"] == 1 and found["lang"], "no main heading or no language")

    def tame(self):
        """No handler of events, nothing that nobody sees, no value that turns its neighbours."""
        found = self.browser.run(r"""
            const hidden = new RegExp("[\\0-\\x08\\x0b-\\x1f\\x7f-\\x9f\\xad\\u061c\\u200b-"
              + "\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff]");
            const all = [...document.querySelectorAll("*")];
            const inline = [...document.querySelectorAll(".message bdi, code, pre b, summary a")];
            return {
              handlers: all.filter((own) => [...own.attributes]
                .some((attribute) => /^on|^src|^srcdoc|^formaction/i.test(attribute.name)))
                .map((own) => own.outerHTML.slice(0, 80)),
              hidden: (hidden.exec(document.body.innerText) ?? [""])[0],
              turning: inline.filter((own) => getComputedStyle(own).unicodeBidi !== "isolate")
                .map((own) => own.outerHTML.slice(0, 80)),
              values: document.querySelectorAll(".message bdi").length,
              policy: document.querySelector("meta[http-equiv]")?.content ?? "",
            };""")
        self.expect(not found["handlers"], f"something to run or load: {found['handlers'][:3]}")
        self.expect(not found["hidden"], f"an invisible character: {found['hidden']!r}")
        self.expect(not found["turning"], f"values that are not isolated: {found['turning'][:3]}")
        self.expect(self.name == "empty" or found["values"] > 0, "no value is isolated")
        self.expect(found["policy"].startswith("default-src 'none'"), "no policy in the page")

    def contrasts(self):
        for scheme in ("light", "dark"):
            self.browser.scheme(scheme)
            for selector, contrast, least in self.browser.run(CONTRAST, COLOURS):
                self.expect(contrast >= least,
                            f"{scheme}: {selector} has a contrast of {contrast:.2f}")
        self.browser.scheme("light")

    def phone(self):
        self.browser.size(390, 844)
        wide = self.browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        self.expect(wide[0] <= 390 and wide[1] <= 390, f"the page is {wide} wide on a phone")
        self.browser.size(1200, 900)

    def printed(self):
        pdf = self.browser.pdf()
        pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
        self.expect(pdf.startswith(b"%PDF-") and pages > 0, "does not print")
        return pdf, pages

    def filters(self):
        """The field above the calls keeps those that have all its words."""
        browser = self.browser
        before = browser.run(ROWS)
        self.expect(len(before) > 10, f"only {len(before)} calls to filter")
        browser.click("#calls-filter")
        browser.keys(*"registration")
        rows = browser.run(ROWS)
        self.expect(0 < len(rows) and all("registration" in " ".join(row) for row in rows),
                    "the filter keeps what does not fit")
        self.expect(rows != before, "the filter narrows nothing")
        browser.keys(*" no-such-word")
        self.expect(browser.run(ROWS) == [], "the filter keeps rows that lack a word")
        told = browser.run("return document.getElementById('calls-shown').textContent")
        self.expect(told.strip(), "nobody is told that nothing is left")
        browser.run("const field = document.getElementById('calls-filter'); field.value = '';"
                    "field.dispatchEvent(new Event('input'))")
        self.expect(browser.run(ROWS) == before, "an empty filter does not show all")

    def sorts(self):
        """A heading sorts by mouse and by keyboard, and says so."""
        browser = self.browser
        button = "#calls-table th:nth-child(4) button"
        state = "return document.querySelector('#calls-table th:nth-child(4)')" \
                ".getAttribute('aria-sort')"
        column = lambda: [row[3] for row in browser.run(ROWS) if row[3]]
        browser.click(button)
        up = column()
        self.expect(browser.run(state) == "ascending", "a click does not sort")
        browser.focus(button)
        browser.keys("Enter")
        down = column()
        self.expect(browser.run(state) == "descending", "Enter does not turn the order")
        in_order = browser.run("const collator = new Intl.Collator(document.documentElement.lang,"
                               " {numeric: true}); const by = (way) => (a, b) => way *"
                               " collator.compare(a, b); return [[...arguments[0]].sort(by(1)),"
                               " [...arguments[1]].sort(by(-1))]", up, down)
        self.expect(in_order == [up, down] and up != down, "rows are not in the order that is said")
        browser.keys("Space")
        self.expect(browser.run(state) == "ascending", "the space bar does not turn the order")
        browser.click("#calls-table th:nth-child(1) button")
        self.expect(browser.run(state) is None, "two columns claim to be sorted")

    def ladders(self):
        """An arrow opens its message by mouse and by keyboard; keys walk on and close."""
        browser = self.browser
        first = ".ladder a.arrow"
        title = "return document.querySelector('.ladder-panel h2').textContent"
        browser.run("document.querySelector('.ladder').scrollIntoView()")
        browser.click(first)
        self.expect(browser.run(PANEL), "a click on an arrow opens nothing")
        text = browser.run("return document.querySelector('.ladder-panel pre').textContent")
        raw = browser.run("const arrow = document.querySelector(arguments[0]); return document"
                          ".getElementById(arrow.getAttribute('href').slice(1))"
                          ".querySelector('pre').textContent", first)
        self.expect(text == raw and "Via:" in text, "the panel shows another message")
        self.expect(browser.run("return document.querySelectorAll('.ladder-panel pre b').length")
                    > 3, "names of headers are not marked")
        if browser.run("return document.querySelectorAll('.ladder')[0]"
                       ".querySelectorAll('a.arrow').length") > 1:
            one = browser.run(title)
            browser.keys("ArrowRight")
            other = browser.run(title)
            self.expect(other != one, "the right arrow key does not go on")
            browser.keys("ArrowLeft")
            self.expect(browser.run(title) == one, "the left arrow key does not go back")
        browser.keys("Escape")
        self.expect(not browser.run(PANEL), "Escape does not close the panel")
        href = browser.run(f"return document.querySelector('{first}').getAttribute('href')")
        self.expect(browser.run(FOCUS) == href, "the focus does not come back to the arrow")
        for key in ("Enter", "Space"):
            browser.focus(first)
            browser.keys(key)
            self.expect(browser.run(PANEL), f"{key} opens nothing")
            browser.keys("Escape")
            self.expect(not browser.run(PANEL), f"Escape does not close after {key}")
        browser.focus(".ladder-box")
        browser.keys("Tab")
        self.expect(browser.run(FOCUS) == href, "Tab does not reach the first arrow")

    def guarded(self):
        """The policy lets no other script run and nothing be loaded."""
        browser = self.browser
        got = browser.own("POST", "/execute/async", {"args": [], "script": """
            const done = arguments[arguments.length - 1];
            const script = document.createElement("script");
            script.textContent = "window.intruder = true";
            document.body.append(script);
            const image = new Image();
            image.onload = () => { window.intruder = true; };
            image.src = "http://127.0.0.1:9/x.png";
            fetch("http://127.0.0.1:9/").then(() => true, () => false)
              .then((fetched) => done([fetched, window.intruder === true]));"""})
        self.expect(got == [False, False], "the policy lets a stranger in")
        asked = [message for message in (json.loads(entry["message"])["message"]
                                         for entry in browser.log("performance"))
                 if message["method"] == "Network.responseReceived"]
        self.expect(not [m for m in asked if "127.0.0.1" in m["params"]["response"]["url"]],
                    "the policy lets a request out")
        said = [entry["message"] for entry in browser.log("browser")]
        self.expect(sum("Content Security Policy" in line for line in said) >= 2,
                    "no policy speaks up")

    def without_script(self, folder):
        """Where no script runs, an arrow leads to its message below the ladder."""
        page = self.path.read_text(encoding="utf-8")
        bare = folder / f"{self.name}-bare.html"
        bare.write_text(re.sub(r"<script>.*?</script>", "", page, flags=re.S), encoding="utf-8")
        browser = self.browser
        browser.open(bare)
        browser.run("document.querySelector('.ladder').scrollIntoView()")
        browser.click(".ladder a.arrow")
        shown = browser.run("const own = document.querySelector('.ladder a.arrow');"
                            "return document.getElementById(own.getAttribute('href').slice(1))"
                            ".checkVisibility()")
        self.expect(shown, "without the script an arrow leads nowhere")

    def pictures(self, folder):
        browser = self.browser
        for scheme in ("light", "dark"):
            browser.scheme(scheme)
            browser.shot(folder / f"{self.name}-{scheme}.png")
        browser.scheme("light")
        browser.size(390, 844, 2)
        browser.shot(folder / f"{self.name}-phone.png", height=6000)
        browser.size(1200, 900)
        if browser.run("return document.querySelector('.ladder a.arrow') !== null"):
            browser.focus(".ladder a.arrow")
            browser.keys("Enter")
            browser.shot(folder / f"{self.name}-panel.png", ".ladder-panel")
            browser.keys("Escape")
        pdf, _ = self.printed()
        (folder / f"{self.name}.pdf").write_bytes(pdf)


def empty_capture(path):
    """A capture with one datagram that is no SIP."""
    datagram = bytes.fromhex("4500001f0001000040110000c0000201c0000202")
    datagram += bytes.fromhex("1f901f91000b0000") + b"abc"
    head = bytes.fromhex("d4c3b2a1020004000000000000000000ffff000065000000")
    record = (0).to_bytes(8, "little") + len(datagram).to_bytes(4, "little") * 2
    path.write_bytes(head + record + datagram)


def reports(siptrace, folder):
    """The pages that are looked at, by name."""
    captures = ROOT / "fixtures" / "captures"
    (folder / "hostile.sip").write_text(HOSTILE, encoding="utf-8")
    empty_capture(folder / "empty.pcap")
    wanted = {
        "failing": [captures / "proxy-serial-failover.pcap"],
        "rich": sorted(captures.glob("*.pcap")),
        "japanese": ["--lang", "ja", captures / "missing-ack-2xx.pcap",
                     captures / "lossy-audio.pcap"],
        "hostile": [folder / "hostile.sip"],
        "empty": [folder / "empty.pcap"],
    }
    made = {}
    for name, arguments in wanted.items():
        page = folder / f"{name}.html"
        command = [siptrace, "report", *map(str, arguments), "-o", str(page)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        made[name] = page
    return made


def look(browser, name, page, folder, screenshots):
    """All checks that fit the page."""
    report = Report(browser, name, page)
    report.sound()
    report.tame()
    report.contrasts()
    report.phone()
    _, pages = report.printed()
    if name == "rich":
        report.filters()
        report.sorts()
    if name not in ("empty",):
        report.ladders()
    report.quiet()
    if screenshots:
        report.browser.open(page)
        report.pictures(screenshots)
    report.guarded()
    if name == "failing":
        report.without_script(folder)
    size = page.stat().st_size
    print(f"{name}: {size} bytes, {pages} pages in print, {len(report.failures)} faults")
    for failure in report.failures:
        print(f"FAULT {failure}", flush=True)
    return report.failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("siptrace", help="the program")
    parser.add_argument("--page", help="only the page of that name")
    parser.add_argument("--screenshots", type=Path, help="where pictures and prints are put")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") \
        or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        print("not installed: chromium, chromium-driver")
        return 77
    if args.screenshots:
        args.screenshots.mkdir(parents=True, exist_ok=True)
    failures = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        folder = Path(folder)
        made = reports(args.siptrace, folder)
        browser = Browser(chromium, driver, folder / "profile")
        try:
            for name, page in made.items():
                if args.page not in (None, name):
                    continue
                failures += look(browser, name, page, folder, args.screenshots)
        finally:
            browser.close()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
