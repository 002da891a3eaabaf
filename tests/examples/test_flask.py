"""examples/flask: seed S1."""

from asking import ask, bearer
from processes import EXAMPLES, PASSWORD, PYTHON, App, Case, Tokenward
from tokenward.auth.v1 import auth_pb2


class Flask(Case):
    @classmethod
    def setUpClass(cls):
        config = EXAMPLES / "flask/tokenward.toml"
        cls.tokenward = cls.started(Tokenward(config))
        cls.tokenward.user("reader")
        cls.editor = cls.tokenward.user("editor", "--role", "editor")
        cls.app = cls.started(app(cls.tokenward))

    def post(self, path, body, **headers):
        return ask(f"{self.app.url}{path}", "POST", body, **headers)

    def login(self, name="reader", **more):
        answer = self.post("/login", {"identifier": name, "password": PASSWORD, **more})
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json()

    def refused(self, answer, status, reason):
        self.assertEqual((answer.status, answer.json()["reason"]), (status, reason))

    def claims(self, token):
        verdict = self.tokenward.auth.Verify(auth_pb2.VerifyRequest(token=token))
        self.assertTrue(verdict.active)
        return verdict.claims

    def test_s1_1_two_hours_and_fourteen_days(self):
        tokens = self.tokenward.login("reader").tokens
        claims = self.claims(tokens.access_token)
        began = claims.auth_time.seconds
        # Up to a twentieth is taken off, so that not all refresh at once.
        access = claims.expire_time.seconds - claims.issue_time.seconds
        self.assertLessEqual(access, 2 * 3600)
        self.assertGreaterEqual(access, 2 * 3600 * 19 // 20)
        session = tokens.session_expire_time.seconds - began
        self.assertLess(abs(session - 14 * 86_400), 60)

    def test_s1_2_a_refresh_gives_a_new_access_token_only(self):
        first = self.login(stay_logged_in=True)
        for _ in range(3):
            answer = self.post("/refresh", {"refresh_token": first["refresh_token"]})
            self.assertEqual((answer.status, list(answer.json())), (200, ["access_token"]))
            fresh = answer.json()["access_token"]
            self.assertNotEqual(fresh, first["access_token"])
            self.assertEqual(ask(f"{self.app.url}/articles", **bearer(fresh)).status, 200)

    def test_s1_3_whoever_does_not_stay_logged_in_gets_no_refresh_token(self):
        self.assertEqual(list(self.login()), ["access_token"])
        self.assertEqual(list(self.login(stay_logged_in=True)), ["access_token", "refresh_token"])

    def test_s1_4_a_refresh_token_is_no_access_token(self):
        token = self.login(stay_logged_in=True)["refresh_token"]
        answer = ask(f"{self.app.url}/articles", **bearer(token))
        self.refused(answer, 403, "WRONG_TYPE")
        self.assertEqual(answer.json()["message"], "do not use a refresh token")

    def test_s1_5_an_access_token_refreshes_nothing(self):
        token = self.login()["access_token"]
        answer = self.post("/refresh", {"refresh_token": token})
        self.refused(answer, 403, "WRONG_TYPE")
        self.assertEqual(answer.json()["message"], "wrong token")

    def test_s1_6_the_claims_are_there_before_the_function_runs(self):
        token = self.login("editor")["access_token"]
        answer = self.post("/articles", {"title": "By an editor"}, **bearer(token))
        self.assertEqual((answer.status, answer.json()), (201, {"author": self.editor}))

    def test_s1_7_who_is_not_logged_in_is_told_so(self):
        for headers in ({}, bearer(""), {"authorization": "Basic YTpi"}):
            answer = ask(f"{self.app.url}/articles", **headers)
            self.refused(answer, 401, "MISSING_TOKEN")
            self.assertEqual(answer.headers["www-authenticate"], "Bearer")
        self.refused(ask(f"{self.app.url}/articles", **bearer("garbage")), 401, "INVALID")
        token = self.login()["access_token"]
        self.tokenward.auth.Revoke(auth_pb2.RevokeRequest(token=token))
        self.refused(ask(f"{self.app.url}/articles", **bearer(token)), 401, "REVOKED")

    def test_s1_8_reading_needs_a_login_and_writing_needs_more(self):
        reader = bearer(self.login()["access_token"])
        self.assertEqual(ask(f"{self.app.url}/articles", **reader).status, 200)
        refused = self.post("/articles", {"title": "By a reader"}, **reader)
        self.refused(refused, 403, "MISSING_SCOPE")
        titles = ask(f"{self.app.url}/articles", **reader).json()
        self.assertNotIn("By a reader", titles)

    def test_a_failed_login_says_what_a_caller_may_know(self):
        for asked in ({"identifier": "reader", "password": "wrong"}, {"identifier": "x", "password": "y"}):
            self.refused(self.post("/login", asked), 401, "INVALID_CREDENTIALS")
        self.refused(self.post("/login", {"identifier": "reader"}), 400, "INVALID_ARGUMENT")

    def test_without_tokenward_nobody_gets_in(self):
        alone = self.started(Tokenward(EXAMPLES / "flask/tokenward.toml"))
        alone.user("reader")
        token = alone.login("reader").tokens.access_token
        here = self.started(app(alone))
        self.assertEqual(ask(f"{here.url}/articles", **bearer(token)).status, 200)
        alone.stop()
        self.refused(ask(f"{here.url}/articles", **bearer(token)), 503, "UNAVAILABLE")


def app(tokenward):
    flask = [PYTHON, "-m", "flask", "run", "--port", "0"]
    return App(*flask, cwd=EXAMPLES / "flask", AUTH_GRPC=tokenward.grpc)
