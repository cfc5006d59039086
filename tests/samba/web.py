"""Two browsers with the same steps: headless Chromium by chromedriver, and one that only fills forms."""

import html.parser
import http.cookiejar
import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from lab import Failed

PATIENCE = 120


def browser(base):
    """The best browser that is there. Use it as a context."""
    return Chromium(base) if shutil.which("chromedriver") else Plain(base)


class Plain:
    """Sends what a browser without scripts would send."""

    def __init__(self, base):
        self.base = base
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
        self.page = ""
        self.place = ""

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
        self.place = answer.url
        self.page = answer.read().decode()

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

    def picture(self, file):
        pass


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


class Chromium:
    """Steered by chromedriver (W3C WebDriver)."""

    def __init__(self, base):
        self.base = base
        self.folder = tempfile.TemporaryDirectory()
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                break
        self.session = f"http://127.0.0.1:{found[1]}/session"
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                     "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
                     "--window-size=1400,1000", f"--user-data-dir={self.folder.name}"]
        options = {"goog:chromeOptions": {"args": arguments}, "browserName": "chrome"}
        made = self._post("", {"capabilities": {"alwaysMatch": options}})
        self.session += "/" + made["sessionId"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self._call(urllib.request.Request(self.session, method="DELETE"))
        finally:
            self.driver.kill()
            self.driver.wait()
            self.folder.cleanup()

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

    def go(self, path):
        self._post("/url", {"url": urllib.parse.urljoin(self.base, path)})

    def text(self):
        return re.sub(r"\s+", " ", self.run("return document.body.innerText"))

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
            window.isOfBefore = true;
            return null;
            """, action, [list(field) for field in dict(fields).items()], [list(tick) for tick in ticks])
        if problem:
            raise Failed(f"{problem}: {self.text()[:2000]}")
        using = {"using": "css selector", "value": f"form[action='{action}'] button:last-of-type"}
        [element, *_] = self._post("/elements", using)[0].values()
        self._post(f"/element/{element}/click", {})
        deadline = time.monotonic() + PATIENCE
        while self.run("return window.isOfBefore === true || document.readyState !== 'complete'"):
            if time.monotonic() > deadline:
                raise Failed(f"the form {action} leads nowhere: {self.text()[:2000]}")
            time.sleep(0.05)

    def reload(self):
        self._post("/refresh", {})

    def picture(self, file):
        import base64
        file.write_bytes(base64.b64decode(self._call(urllib.request.Request(self.session + "/screenshot"))))
