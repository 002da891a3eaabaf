"""examples/cookie-site: seed S3, in a real browser and behind real gateways."""

import subprocess
import tempfile
from pathlib import Path

from asking import ask, bearer
from browser import Browser
from processes import EXAMPLES, PASSWORD, PYTHON, App, Case, Process, Tokenward, free_port

HERE = EXAMPLES / "cookie-site"
COOKIE = "__Host-tokenward"
IDENTITY = "Subject Client-Id Session-Id Audience Scope Roles Name Email Expires".split()


class Pages:
    """A mixin: `gateway()` gives the command that starts one, and `outage` is what it
    answers when Tokenward is out of reach."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.port = free_port()
        cls.url = f"https://localhost:{cls.port}"
        # A cookie's shortest life: it is renewed after half a minute.
        settings = {"issuer": cls.url, "browser.cookie_lifetime": "1m"}
        cls.tokenward = cls.started(Tokenward(HERE / "tokenward.toml", **settings))
        cls.user = cls.tokenward.user("zoe", "--name", "Zoë 100%", "--role", "reader", "--role", "editor")
        pages = Path(__file__).with_name("pages.py")
        cls.pages = cls.started(App(PYTHON, pages, cwd=HERE))
        cls.gate = cls.started(Process(*cls.gateway(), cwd=cls.folder, environment=cls.home()))
        cls.browser = cls.started(Browser())

    @classmethod
    def home(cls):
        return {"HOME": str(cls.folder), "XDG_DATA_HOME": str(cls.folder)}

    @classmethod
    def configuration(cls, name):
        """The example's, with the addresses of this test."""
        text = (HERE / name).read_text()
        for address, here in (
            ("localhost:8443", f"localhost:{cls.port}"),
            ("127.0.0.1:8443", f"127.0.0.1:{cls.port}"),
            ("127.0.0.1:8080", cls.tokenward.http.removeprefix("http://")),
            ("127.0.0.1:8000", cls.pages.url.removeprefix("http://")),
        ):
            text = text.replace(address, here)
        (cls.folder / name).write_text(text)
        return cls.folder / name

    def setUp(self):
        self.until(self.is_up, f"the gateway serves: {self.gate.output()}")

    def is_up(self):
        try:
            return ask(f"{self.url}/login").status == 200
        except OSError:
            return False

    def log_in(self, password=PASSWORD):
        self.browser.type("[name=identifier]", "zoe")
        self.browser.type("[name=password]", password)
        self.browser.click("button")

    def cookie(self):
        (cookie,) = self.browser.cookies()
        self.assertEqual(cookie["name"], COOKIE)
        return cookie

    def arrives(self, path):
        """A click does not wait for the page that comes then."""
        self.until(lambda: self.browser.url() == f"{self.url}{path}", f"the browser is at {path}")

    def test_s3_a_day_in_the_browser(self):
        self.s3_7_the_form_leads_to_a_page()
        self.s3_1_the_page_knows_name_roles_and_id()
        first = self.s3_3_the_token_is_in_a_cookie()
        second = self.s3_4_browsing_renews_it(first)
        self.s3_5_logging_out_ends_every_copy([first["value"], second["value"]])
        self.s2_8_without_tokenward_nobody_gets_in()

    def s3_7_the_form_leads_to_a_page(self):
        self.browser.open(f"{self.url}/")
        self.arrives("/login")
        self.log_in("a wrong password")
        self.arrives("/login?error=INVALID_CREDENTIALS")
        self.assertEqual(self.browser.text("[role=alert]"), "Name or password is wrong.")
        self.log_in()
        self.arrives("/")

    def s3_1_the_page_knows_name_roles_and_id(self):
        self.assertEqual(self.browser.text("h1"), "Hello, Zoë 100%")
        self.assertEqual(self.browser.text("#roles").split(", "), ["reader", "editor"])
        self.assertEqual(self.browser.text("#user"), self.user)

    def s3_3_the_token_is_in_a_cookie(self):
        cookie = self.cookie()
        shown = (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"])
        self.assertEqual(shown, (True, True, "Lax", "/"))
        self.assertEqual(self.browser.run("return document.cookie"), "")
        return cookie

    def s3_4_browsing_renews_it(self, first):
        self.until(lambda: self.browses() != first["value"], "the cookie is renewed", every=1)
        second = self.cookie()
        self.assertGreater(second["expiry"], first["expiry"])
        return second

    def s3_5_logging_out_ends_every_copy(self, copies):
        for copy in copies:
            self.assertEqual(self.with_cookie(self.url, copy).status, 200)
        self.browser.click("button")
        self.arrives("/login")
        self.assertEqual(self.browser.cookies(), [])
        for copy in copies:
            answer = self.with_cookie(self.url, copy)
            self.assertEqual((answer.status, answer.headers["location"][-6:]), (303, "/login"))
            asked = self.with_cookie(f"{self.tokenward.http}/auth/verify", copy)
            self.assertEqual(asked.status, 401)
        self.browser.open(f"{self.url}/")
        self.arrives("/login")

    def s2_8_without_tokenward_nobody_gets_in(self):
        self.log_in()
        self.arrives("/")
        value = self.cookie()["value"]
        self.tokenward.stop()
        answer = self.with_cookie(self.url, value)
        self.assertEqual(answer.status, self.outage)
        self.assertNotIn("Zoë", answer.body)

    def browses(self):
        self.browser.open(f"{self.url}/")
        return self.cookie()["value"]

    def with_cookie(self, url, value):
        return ask(url, cookie=f"{COOKIE}={value}")

    def test_nobody_calls_themselves_somebody(self):
        value = self.session()
        for first, second in ("--", "__", "-_", "_-"):
            headers = {f"X{first}Auth{second}{name}": "mallory" for name in IDENTITY}
            with self.subTest(headers=list(headers)):
                self.is_believed_nothing(value, headers)
        # The cookie is for the gateway, and no token for anybody else.
        self.assertNotEqual(ask(self.url, **bearer(value)).status, 200)

    def is_believed_nothing(self, value, headers):
        self.assertEqual(ask(self.url, exactly=headers).status, 303)
        answer = ask(f"{self.url}/told", cookie=f"{COOKIE}={value}", exactly=headers)
        self.assertEqual(answer.status, 200)
        told = answer.json()
        self.assertEqual(told["HTTP_X_AUTH_SUBJECT"], self.user)
        self.assertEqual(told["HTTP_X_AUTH_ROLES"], "reader editor")
        self.assertNotIn("mallory", answer.body)
        self.assertNotIn(COOKIE, answer.body)

    def session(self):
        asked = {"identifier": "zoe", "password": PASSWORD}
        session = ask(f"{self.url}/session", "POST", asked)
        self.assertEqual(session.status, 201, session.body)
        return session.headers["set-cookie"].split(";")[0].removeprefix(f"{COOKIE}=")

    def test_another_site_cannot_log_anybody_in(self):
        asked = {"identifier": "zoe", "password": PASSWORD}
        answer = ask(f"{self.url}/session", "POST", asked, origin="https://evil.example")
        self.assertEqual(answer.status, 403, answer.body)
        self.assertIsNone(answer.headers["set-cookie"])


class Caddy(Pages, Case):
    outage = 502

    @classmethod
    def gateway(cls):
        return ["caddy", "run", "--adapter", "caddyfile", "--config", cls.configuration("Caddyfile")]


class Nginx(Pages, Case):
    # Whatever its subrequest ends with, unless that is 2xx, 401 or 403.
    outage = 500

    @classmethod
    def gateway(cls):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost", "-keyout", "key.pem", "-out", "certificate.pem"],
            cwd=cls.folder,
            check=True,
            capture_output=True,
        )
        configuration = cls.configuration("nginx.conf")
        return ["nginx", "-p", cls.folder, "-c", configuration, "-g", "daemon off;"]
