"""What the services in Express, Go and Rust have in common: whoever is logged in
reads articles, and editors write them."""

import time

from asking import ask, bearer
from processes import EXAMPLES, Tokenward
from tokenward.auth.v1 import auth_pb2


class Articles:
    """A mixin: `service(tokenward)` starts the application."""

    # Does it ask Tokenward about each request?
    asks = True

    @classmethod
    def setUpClass(cls):
        cls.tokenward = cls.started(tokenward())
        cls.tokenward.user("reader")
        cls.editor = cls.tokenward.user("editor", "--role", "editor")
        cls.app = cls.started(cls.service(cls.tokenward))

    def setUp(self):
        self.tokens = self.tokenward.login("reader").tokens

    def read(self, token, app=None):
        return ask(f"{(app or self.app).url}/articles", **bearer(token))

    def challenged(self, answer, status, *words):
        challenge = answer.headers["www-authenticate"]
        self.assertEqual(answer.status, status, answer.body)
        self.assertTrue(challenge.startswith("Bearer"), challenge)
        for word in words:
            self.assertIn(word, challenge)

    def invalid(self, answer, reason):
        """Whoever asks tells why."""
        self.challenged(answer, 401, 'error="invalid_token"', *([reason] if self.asks else []))

    def test_a_good_token_reads(self):
        self.assertEqual(self.read(self.tokens.access_token).status, 200)

    def test_no_token_is_asked_for_one(self):
        for headers in ({}, bearer(""), {"authorization": "Basic YTpi"}):
            answer = ask(f"{self.app.url}/articles", **headers)
            self.challenged(answer, 401)
            self.assertNotIn("error", answer.headers["www-authenticate"])

    def test_s1_4_a_refresh_token_is_refused(self):
        self.invalid(self.read(self.tokens.refresh_token), "WRONG_TYPE")

    def test_s1_8_reading_needs_a_login_and_writing_a_scope(self):
        write = lambda name: ask(
            f"{self.app.url}/articles",
            "POST",
            {"title": "News"},
            **bearer(self.tokenward.login(name).tokens.access_token),
        )
        self.challenged(write("reader"), 403, 'error="insufficient_scope"')
        answer = write("editor")
        self.assertEqual(answer.status, 201, answer.body)
        self.assertIn(self.editor, answer.body)

    def test_an_altered_token_is_refused(self):
        message, _, signature = self.tokens.access_token.rpartition(".")
        first = "A" if signature[0] != "A" else "B"
        self.invalid(self.read(f"{message}.{first}{signature[1:]}"), "INVALID")
        self.invalid(self.read("garbage"), "INVALID")

    def test_a_token_for_another_audience_is_refused(self):
        other = self.started(self.service(self.tokenward, AUTH_AUDIENCE="billing"))
        self.invalid(self.read(self.tokens.access_token, other), "WRONG_AUDIENCE")

    def test_s0_5_an_expired_token_is_refused(self):
        hurried = self.started(tokenward(**{"tokens.access_lifetime": "10s"}))
        hurried.user("reader")
        app = self.started(self.service(hurried))
        tokens = hurried.login("reader").tokens
        self.assertEqual(self.read(tokens.access_token, app).status, 200)
        self.until(lambda: time.time() > tokens.expire_time.seconds + 1, "the token has expired")
        self.invalid(self.read(tokens.access_token, app), "EXPIRED")

    def test_s2_4_a_revoked_token_is_refused_by_whoever_asks(self):
        token = self.tokens.access_token
        self.assertEqual(self.read(token).status, 200)
        self.tokenward.auth.Revoke(auth_pb2.RevokeRequest(token=token))
        if self.asks:
            self.invalid(self.read(token), "REVOKED")
        else:
            self.assertEqual(self.read(token).status, 200)

    def test_s2_8_an_outage_is_no_bad_token(self):
        gone = tokenward()
        self.started(gone).user("reader")
        token = gone.login("reader").tokens.access_token
        app = self.started(self.service(gone))
        gone.stop()
        answer = self.read(token, app)
        self.assertEqual(answer.status, 503, answer.body)
        self.assertEqual(answer.headers["retry-after"], "1")


def tokenward(**settings):
    return Tokenward(EXAMPLES / "tokenward.toml", **settings)
