"""Browsers with the same steps: Chromium and Firefox, headless, by their drivers, and one that only fills forms."""

import base64
import html.parser
import http.cookiejar
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from lab import HERE, Failed

PATIENCE = 120
# Characters that hide, or turn the direction of text.
HIDDEN = {chr(number) for first, last in [
    (0x00, 0x08), (0x0b, 0x0c), (0x0e, 0x1f), (0x7f, 0x9f), (0x61c, 0x61c), (0x200b, 0x200f), (0x2028, 0x202e),
    (0x2060, 0x2069), (0xfeff, 0xfeff)] for number in range(first, last + 1)}
# The largest page, in bytes.
LARGEST = 300 << 10
AXE = HERE.parent.parent / "crates" / "web-console" / "tests" / "pages" / "axe" / "axe.min.js"


def browser(base, name=None):
    """The browser of this name; without one the best that is there. Use it as a context."""
    name = name or ("chromium" if shutil.which("chromedriver") else "plain")
    return {"chromium": Chromium, "firefox": Firefox, "plain": Plain}[name](base)


class Plain:
    """Sends what a browser without scripts would send."""

    def __init__(self, base):
        self.base = base
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        self.page, self.place, self.kind, self.status = "", "", "", 0
        self.seen = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def go(self, path):
        self._open(urllib.request.Request(urllib.parse.urljoin(self.base, path)))

    def _open(self, request):
        try:
            answer = self.opener.open(request, timeout=PATIENCE)
        except urllib.error.HTTPError as error:
            answer = error
        self.place, self.status = answer.url, answer.status
        self.kind = answer.headers.get_content_type()
        self.page = answer.read().decode(errors="replace")

    def text(self):
        text = re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<head>.*?</head>", "", self.page))
        return re.sub(r"\s+", " ", html.unescape(text))

    def html(self):
        return self.page

    def submit(self, action, fields=(), ticks=()):
        """Sends the form that goes to `action`, with these fields, and these values of boxes that are ticked."""
        forms = Forms()
        forms.feed(self.page)
        found = [form for form in forms.all if form["action"] == action]
        if not found:
            raise Failed(f"no form {action}: {self.text()[:2000]}")
        sent = found[0]["fields"] | dict(fields)
        body = urllib.parse.urlencode([*sent.items(), *ticks]).encode()
        self._open(urllib.request.Request(urllib.parse.urljoin(self.base, action), data=body))

    def reload(self):
        self.go(self.place)

    def count(self, css):
        """Not known without a browser."""
        return 0

    def complaints(self):
        return []

    def look(self, name, pictures=None):
        """A page is small, and only text of a directory."""
        self.seen.add(urllib.parse.urlsplit(self.place).path)
        if len(self.page.encode()) > LARGEST:
            raise Failed(f"{name}: {len(self.page)} characters")
        found = faults(self.page)
        if found:
            raise Failed(f"{name}: {found}")

    def links(self):
        """Where the page leads, files apart."""
        page = Links()
        page.feed(self.page)
        return page.all


class Links(html.parser.HTMLParser):
    """The links of a page to other pages."""

    def __init__(self):
        super().__init__()
        self.all = []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "a" and "download" not in values and (values.get("href") or "").startswith("/"):
            self.all.append(values["href"])


class Elements(html.parser.HTMLParser):
    """The elements of a page that none of ours has."""

    def __init__(self):
        super().__init__()
        self.foreign = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            value = (value or "").strip().lower()
            if name.startswith("on") or name == "style" or value.startswith(("javascript:", "data:")):
                self.foreign.append(f"{tag} {name}={value[:100]}")
        if tag in ("img", "iframe", "object", "embed", "style", "base") or (
                tag == "script" and not (dict(attributes).get("src") or "").startswith("/assets/")):
            self.foreign.append(tag)


def faults(page):
    """What of a page is no text where it should be, and what turns or hides text."""
    elements = Elements()
    elements.feed(page)
    hidden = sorted({f"U+{ord(one):04X}" for one in page if one in HIDDEN})
    return elements.foreign + hidden


class Forms(html.parser.HTMLParser):
    """The forms of a page, with what their fields hold."""

    def __init__(self):
        super().__init__()
        self.all, self.form, self.select = [], None, None

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form":
            self.form = {"action": values.get("action"), "fields": {}}
            self.all.append(self.form)
        elif self.form is None:
            return
        elif tag == "input" and values.get("name") and values.get("type") != "checkbox":
            self.form["fields"][values["name"]] = values.get("value") or ""
        elif tag == "select":
            self.select = values["name"]
        elif tag == "option" and (self.select not in self.form["fields"] or "selected" in values):
            self.form["fields"][self.select] = values.get("value") or ""

    def handle_endtag(self, tag):
        if tag == "form":
            self.form = None


class Driven:
    """A browser, steered by its driver (W3C WebDriver)."""

    def __init__(self, base, command, wanted):
        self.base, self.seen = base, set()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.folder = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(
            [*command, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = f"http://127.0.0.1:{port}/session"
        try:
            self._wait(port)
            made = self._post("", {"capabilities": {"alwaysMatch": wanted(self.folder.name)}})
        except BaseException:
            self._end()
            raise
        self.session += "/" + made["sessionId"]

    def _wait(self, port):
        deadline = time.monotonic() + 30
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.driver.poll() is not None or time.monotonic() > deadline:
                raise Failed("the browser's driver does not listen")
            time.sleep(0.05)

    def _end(self):
        self.driver.kill()
        self.driver.wait()
        self.folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._call(urllib.request.Request(self.session, method="DELETE"))
        finally:
            self._end()

    def _call(self, request):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            return json.load(opener.open(request, timeout=PATIENCE))["value"]
        except urllib.error.HTTPError as error:
            raise Failed(f"{request.full_url}: {error.read().decode()[:2000]}") from error

    def _post(self, command, value):
        body = json.dumps(value).encode()
        kind = {"content-type": "application/json"}
        return self._call(urllib.request.Request(self.session + command, data=body, headers=kind))

    def run(self, script, *arguments):
        return self._post("/execute/sync", {"script": script, "args": list(arguments)})

    def run_to_end(self, script, *arguments):
        """Runs a script that calls its last argument with its value."""
        return self._post("/execute/async", {"script": script, "args": list(arguments)})

    def go(self, path):
        self._post("/url", {"url": urllib.parse.urljoin(self.base, path)})

    def text(self):
        return re.sub(r"\s+", " ", self.run("return document.body ? document.body.innerText : ''") or "")

    def html(self):
        return self.run("return document.documentElement.outerHTML")

    def submit(self, action, fields=(), ticks=()):
        problem = self.run(
            """
            const [action, fields, ticks] = arguments;
            const form = document.querySelector(`form[action='${action}']`);
            if (!form) return `no form ${action}`;
            for (const [name, value] of fields) form.elements[name].value = value;
            for (const [name, value] of ticks) {
              const box = form.querySelector(`input[name='${name}'][value='${value}']`);
              if (!box) return `no box ${name} ${value}`;
              if (!box.checked) box.click();
            }
            document.documentElement.dataset.isOfBefore = "1";
            return null;
            """, action, [list(field) for field in dict(fields).items()], [list(tick) for tick in ticks])
        if problem:
            raise Failed(f"{problem}: {self.text()[:2000]}")
        using = {"using": "css selector", "value": f"form[action='{action}'] button:last-of-type"}
        [element, *_] = self._post("/elements", using)[0].values()
        self._post(f"/element/{element}/click", {})
        deadline = time.monotonic() + PATIENCE
        of_before = "'isOfBefore' in document.documentElement.dataset"
        while self.run(f"return {of_before} || document.readyState !== 'complete'"):
            if time.monotonic() > deadline:
                raise Failed(f"the form {action} leads nowhere: {self.text()[:2000]}")
            time.sleep(0.05)

    def reload(self):
        self._post("/refresh", {})

    def count(self, css):
        """How many elements the page has."""
        return self.run("return document.querySelectorAll(arguments[0]).length", css)

    def look(self, name, pictures=None):
        """A page is small, only text of a directory, breaks no rule of its policy, and axe-core finds nothing; keeps a
        picture of it."""
        self.seen.add(self.run("return location.pathname"))
        page = self.html()
        size = len(page.encode())
        if size > LARGEST:
            raise Failed(f"{name}: {size} bytes")
        found = self.run_to_end(AXE.read_text() + """;
            const done = arguments[arguments.length - 1];
            axe.run().then(result => done(result.violations.map(violation =>
                violation.id + ": " + violation.nodes.map(node => node.html).join(" | "))))
                .catch(error => done([String(error)]));""")
        found += self.complaints() + faults(page)
        if found:
            raise Failed(f"{name}: {found}")
        if pictures:
            picture = self._call(urllib.request.Request(self.session + "/screenshot"))
            file = pictures / f"{name}.png"
            file.write_bytes(base64.b64decode(picture))
            if shutil.which("pngquant"):
                # A third of the size.
                subprocess.run(["pngquant", "--force", "--output", file, "64", "--", file], check=True)

    def complaints(self):
        """What the browser complained of since the last call, where it tells."""
        return []


class Chromium(Driven):
    def __init__(self, base):
        def wanted(folder):
            arguments = [
                "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=1400,1000",
                f"--user-data-dir={folder}"]
            return {"browserName": "chrome", "goog:chromeOptions": {"args": arguments},
                    "goog:loggingPrefs": {"browser": "ALL"}}
        super().__init__(base, ["chromedriver"], wanted)

    def complaints(self):
        log = self._post("/se/log", {"type": "browser"})
        # Answers that say no are errors for it, too.
        return [entry["message"] for entry in log
                if entry["level"] == "SEVERE" and "the server responded with a status of 4" not in entry["message"]]


class Firefox(Driven):
    """Firefox ESR by geckodriver."""

    def __init__(self, base):
        def wanted(folder):
            arguments = ["-headless", "-width", "1400", "-height", "1000"]
            options = {"args": arguments, "binary": shutil.which("firefox-esr")}
            return {"browserName": "firefox", "moz:firefoxOptions": options}
        super().__init__(base, ["geckodriver", "--binary", shutil.which("firefox-esr") or "firefox"], wanted)
