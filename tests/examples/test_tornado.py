"""examples/tornado: seed S0."""

import time

from asking import ask
from processes import EXAMPLES, PYTHON, App, Case, Tokenward
from tokenward.auth.v1 import auth_pb2


class Tornado(Case):
    @classmethod
    def setUpClass(cls):
        cls.tokenward = cls.started(Tokenward())
        cls.alice = cls.tokenward.user("alice", "--name", "Alice Example", "--role", "editor")
        cls.asking = cls.started(app(cls.tokenward))
        cls.reading = cls.started(app(cls.tokenward, AUTH_BY="jwks"))

    def setUp(self):
        self.tokens = self.tokenward.login("alice").tokens

    def refused(self, url, reason, status=401, **headers):
        answer = ask(f"{url}/profile", **headers)
        self.assertEqual((answer.status, answer.json()), (status, {"reason": reason}))
        return answer

    def test_s0_1_a_decorator_authenticates_before_the_handler(self):
        for url in (self.asking.url, self.reading.url):
            self.assertEqual(ask(url).status, 200)
            self.refused(url, "MISSING_TOKEN")
            self.refused(url, "INVALID", tsessionid="garbage")
            answer = ask(f"{url}/profile", tsessionid=self.tokens.access_token)
            alice = {"user_id": self.alice, "name": "Alice Example", "roles": ["editor"]}
            self.assertEqual((answer.status, answer.json()), (200, alice))

    def test_s0_2_the_token_comes_in_a_header_of_its_own(self):
        for url in (self.asking.url, self.reading.url):
            bearer = f"Bearer {self.tokens.access_token}"
            self.refused(url, "MISSING_TOKEN", authorization=bearer)

    def test_s0_3_s0_5_past_its_expiry_it_is_good_for_the_leeway_only(self):
        # Two minutes of leeway are more than this test may take.
        hurried = self.started(Tokenward(**{"tokens.access_lifetime": "10s"}))
        hurried.user("alice")
        asking = self.started(app(hurried))
        reading = self.started(app(hurried, AUTH_BY="jwks"))
        lenient = self.started(app(hurried, AUTH_BY="jwks", AUTH_LEEWAY="120"))
        tokens = hurried.login("alice").tokens
        profile = lambda url: ask(f"{url}/profile", tsessionid=tokens.access_token)
        self.assertEqual(profile(asking.url).status, 200)
        self.until(lambda: time.time() > tokens.expire_time.seconds + 1, "the token has expired")
        for url in (asking.url, reading.url):
            self.refused(url, "EXPIRED", tsessionid=tokens.access_token)
        self.assertEqual(profile(lenient.url).status, 200)

    def test_s0_4_a_disabled_or_deleted_user_is_refused(self):
        for name, command in (("bob", ["disable", "bob"]), ("carl", ["delete", "carl", "--yes"])):
            self.tokenward.user(name)
            token = self.tokenward.login(name).tokens.access_token
            profile = lambda: ask(f"{self.asking.url}/profile", tsessionid=token)
            self.assertEqual(profile().status, 200)
            # The server reads the log that the command wrote to.
            self.tokenward.command("user", *command)
            self.until(lambda: profile().status != 200, f"{name} is refused")
            self.refused(self.asking.url, "REVOKED", tsessionid=token)

    def test_s0_6_a_token_says_nothing_secret_and_is_read_without_a_server(self):
        tokenward = self.started(Tokenward())
        tokenward.user("carol", "--phone", "+41446681800")
        asking, reading = self.started(app(tokenward)), self.started(app(tokenward, AUTH_BY="jwks"))
        token = tokenward.login("carol").tokens.access_token
        claims = tokenward.auth.Verify(auth_pb2.VerifyRequest(token=token)).claims.json
        self.assertNotIn("41446681800", claims)
        self.assertNotIn("argon2", claims)
        self.assertEqual(ask(f"{reading.url}/profile", tsessionid=token).status, 200)
        tokenward.stop()
        self.assertEqual(ask(f"{reading.url}/profile", tsessionid=token).status, 200)
        answer = self.refused(asking.url, "UNAVAILABLE", 503, tsessionid=token)
        self.assertEqual(answer.headers["retry-after"], "1")

    def test_s1_4_a_refresh_token_is_refused(self):
        self.refused(self.asking.url, "WRONG_TYPE", tsessionid=self.tokens.refresh_token)
        # Its key is in no JWKS.
        self.refused(self.reading.url, "INVALID", tsessionid=self.tokens.refresh_token)

    def test_a_token_for_another_audience_is_refused(self):
        asking = self.started(app(self.tokenward, AUTH_AUDIENCE="billing"))
        reading = self.started(app(self.tokenward, AUTH_AUDIENCE="billing", AUTH_BY="jwks"))
        token = self.tokens.access_token
        self.refused(asking.url, "WRONG_AUDIENCE", tsessionid=token)
        self.refused(reading.url, "INVALID", tsessionid=token)


def app(tokenward, **environment):
    where = {"AUTH_GRPC": tokenward.grpc, "AUTH_ISSUER": tokenward.issuer, "PORT": "0"}
    return App(PYTHON, "app.py", cwd=EXAMPLES / "tornado", **where, **environment)
