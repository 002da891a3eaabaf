"""A real browser, by the WebDriver protocol (W3C)."""

from asking import ask
from processes import PATIENCE, Process

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
]


class Browser:
    """Chromium with an empty profile."""

    def __init__(self):
        self._driver = Process("chromedriver", "--port=0")
        port = self._driver.said(r"started successfully on port (\d+)").group(1)
        self._session = f"http://127.0.0.1:{port}/session"
        options = {"goog:chromeOptions": {"args": _FLAGS}, "acceptInsecureCerts": True}
        try:
            opened = self._do("", {"capabilities": {"alwaysMatch": options}})
        except AssertionError:
            self._driver.stop()
            raise
        self._session += f"/{opened['sessionId']}"
        # What is looked for may be on a page that is still coming.
        self._do("/timeouts", {"implicit": PATIENCE * 500})

    def open(self, url):
        self._do("/url", {"url": url})

    def url(self):
        return self._do("/url")

    def text(self, selector):
        return self._do(f"/element/{self._find(selector)}/text")

    def type(self, selector, text):
        self._do(f"/element/{self._find(selector)}/value", {"text": text})

    def click(self, selector):
        self._do(f"/element/{self._find(selector)}/click", {})

    def run(self, script):
        return self._do("/execute/sync", {"script": script, "args": []})

    def cookies(self):
        return self._do("/cookie")

    def stop(self):
        ask(self._session, "DELETE")
        self._driver.stop()

    def _find(self, selector):
        return self._do("/element", {"using": "css selector", "value": selector})[_ELEMENT]

    def _do(self, command, body=None):
        answer = ask(f"{self._session}{command}", "GET" if body is None else "POST", body)
        assert answer.status == 200, f"{command}: {answer.body}"
        return answer.json()["value"]
