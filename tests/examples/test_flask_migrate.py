"""examples/flask-migrate: seeds S2 and S4."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from asking import ask
from processes import EXAMPLES, PASSWORD, PYTHON, App, Case, Tokenward
from tokenward.auth.v1 import auth_pb2

HERE = EXAMPLES / "flask-migrate"
ALICE, BOB, ROOT = "alice has an old password", "bob too", "may list all users"


class FlaskMigrate(Case):
    """The old site is run, left, and its users go on at the new one."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.tokenward = cls.started(Tokenward(HERE / "tokenward.toml"))
        script("old_site.py", cls.database())
        cls.before = cls.started(cls.site("old_site", cls.environment_file("until-2100", "2100-01-01")))
        cls.old_token = cls.logged_in(cls.before, "alice@example.org", ALICE)
        cls.migrate()
        cls.after = cls.started(cls.site("app", cls.folder / "until-2100"))

    @classmethod
    def migrate(cls):
        rows = script("export_users.py", cls.database())
        results = cls.tokenward.command("user", "import", "--json", stdin=rows)
        for name, text in (("users.jsonl", rows), ("results.jsonl", results)):
            (cls.folder / name).write_text(text)
        script("link_users.py", cls.database(), cls.folder / "users.jsonl", cls.folder / "results.jsonl")

    @classmethod
    def database(cls):
        return cls.folder / "site.db"

    @classmethod
    def environment_file(cls, name, until):
        """S4.8: what is secret stands in a file of its own."""
        (cls.folder / name).write_text(
            f"SITE_DB={cls.database()}\n"
            f"AUTH_GRPC={cls.tokenward.grpc}\n"
            f"AUTH_ADMIN_GRPC={cls.tokenward.admin}\n"
            "OLD_TOKEN_SECRET=a-secret-that-is-long-enough-for-HS256\n"
            f"OLD_TOKENS_UNTIL={until}T00:00:00+00:00\n"
        )
        return cls.folder / name

    @staticmethod
    def site(module, environment_file):
        flask = [PYTHON, "-m", "flask", "--env-file", environment_file, "--app", module]
        return App(*flask, "run", "--port", "0", cwd=HERE)

    @staticmethod
    def logged_in(site, identifier, password):
        answer = ask(f"{site.url}/login", "POST", {"identifier": identifier, "password": password})
        assert answer.status == 201, answer.body
        return answer.json()["token"]

    def login(self, identifier, password):
        return self.logged_in(self.after, identifier, password)

    def me(self, token, site=None):
        return ask(f"{(site or self.after).url}/me", authorization=f"JWT {token}")

    def refused(self, answer, status, reason):
        self.assertEqual((answer.status, answer.json()), (status, {"reason": reason}))

    def test_s2_1_login_by_phone_number_and_the_old_password(self):
        for spelling in ("+41446681801", "+41 44 668 18 01"):
            token = self.login(spelling, BOB)
            self.assertEqual(self.me(token).json()["name"], "Bob")

    def test_s2_2_the_payload_has_what_the_pages_read(self):
        token = self.login("alice@example.org", ALICE)
        claims = self.tokenward.auth.Verify(auth_pb2.VerifyRequest(token=token)).claims
        said = json.loads(claims.json)
        data = {"id": said["sub"], "login_time": said["auth_time"]}
        self.assertEqual(said["data"], data)
        self.assertEqual(said["iss"], self.tokenward.issuer)

    def test_s2_3_s4_7_an_administrator_lists_users_and_their_last_login(self):
        self.login("alice@example.org", ALICE)
        users = lambda token: ask(f"{self.after.url}/users", x_access_token=token)
        answer = users(self.login("root@example.org", ROOT))
        listed = {user["email"]: user for user in answer.json()["users"]}
        for email in ("alice@example.org", "root@example.org"):
            self.assertRegex(listed[email]["last_login"], r"^20\d\d-")
        alice = listed["alice@example.org"]
        self.assertEqual(sorted(alice), ["email", "last_login", "name", "user_id"])
        self.refused(users(self.login("bob@example.org", BOB)), 403, "PERMISSION_DENIED")
        self.assertEqual(ask(f"{self.after.url}/users").status, 401)

    def test_s2_4_a_token_is_dead_from_the_logout_on(self):
        token = self.login("bob@example.org", BOB)
        out = ask(f"{self.after.url}/logout", "POST", authorization=f"JWT {token}")
        self.assertEqual(out.status, 204)
        self.refused(self.me(token), 401, "REVOKED")

    def test_s2_5_a_new_login_ends_the_one_before(self):
        first, second = (self.login("bob@example.org", BOB) for _ in range(2))
        self.refused(self.me(first), 401, "REVOKED")
        self.assertEqual(self.me(second).status, 200)

    def test_s2_6_who_did_what_is_in_two_logs(self):
        token = self.login("bob@example.org", BOB)
        user = self.me(token).json()["user_id"]
        self.me("garbage")
        line = lambda **fields: self.after.said(re.escape(json.dumps(fields)))
        line(user_id=user, url="/me", method="GET", event="me", msg="200 OK")
        line(user_id=None, url="/me", method="GET", event="me", msg="INVALID")
        listed = self.tokenward.command("audit", "list", "--user", "bob@example.org", "--json")
        entries = [json.loads(entry) for entry in listed.splitlines()]
        login = next(entry for entry in entries if entry["action"] == "LOGIN")
        self.assertEqual((login["outcome"], login["source"]), ("SUCCEEDED", "127.0.0.1"))
        self.assertIn('"tokenward::audit"', self.tokenward.log())

    def test_s2_7_the_scheme_is_jwt_and_a_malformed_header_is_told(self):
        for header in ("JWT", "JWT a b", "Basic YTpi"):
            answer = ask(f"{self.after.url}/me", authorization=header)
            self.refused(answer, 401, "MALFORMED_HEADER")

    def test_s2_8_each_failure_has_its_answer(self):
        login = lambda **asked: ask(f"{self.after.url}/login", "POST", asked)
        unknown = login(identifier="nobody@example.org", password=BOB)
        wrong = login(identifier="alice@example.org", password=BOB)
        # Whether there is such a user is nobody's business.
        for answer in (unknown, wrong):
            self.refused(answer, 401, "UNAUTHENTICATED")
        self.refused(self.me("garbage"), 401, "INVALID")
        gone = self.started(Tokenward(HERE / "tokenward.toml"))
        environment = self.environment_file("gone", "2100-01-01")
        text = environment.read_text().replace(self.tokenward.grpc, gone.grpc)
        environment.write_text(text)
        site = self.started(self.site("app", environment))
        gone.stop()
        token = self.login("alice@example.org", ALICE)
        self.refused(self.me(token, site), 503, "UNAVAILABLE")

    def test_s4_3_sign_up_with_a_name_and_an_email_that_nobody_has(self):
        asked = {"name": "Carol", "email": "carol@example.org", "password": PASSWORD}
        sign_up = lambda: ask(f"{self.after.url}/signup", "POST", asked)
        answer = sign_up()
        self.assertEqual(answer.status, 201, answer.body)
        self.refused(sign_up(), 409, "ALREADY_EXISTS")
        carol = self.me(self.login("carol@example.org", PASSWORD)).json()
        self.assertEqual((carol["user_id"], carol["name"]), (answer.json()["user_id"], "Carol"))

    def test_s4_4_hashes_of_werkzeug_are_good_for_a_login(self):
        for email, password in (("alice@example.org", ALICE), ("bob@example.org", BOB)):
            for _ in range(2):
                self.assertEqual(self.me(self.login(email, password)).status, 200)

    def test_s4_5_login_by_email_gives_201_and_a_missing_field_is_told(self):
        self.assertEqual(self.me(self.login("alice@example.org", ALICE)).json()["name"], "Alice")
        answer = ask(f"{self.after.url}/login", "POST", {"identifier": "alice@example.org"})
        self.refused(answer, 400, "INVALID_ARGUMENT")

    def test_s4_6_the_token_may_come_in_x_access_token(self):
        token = self.login("alice@example.org", ALICE)
        answer = ask(f"{self.after.url}/me", x_access_token=token)
        self.assertEqual((answer.status, answer.json()["name"]), (200, "Alice"))

    def test_s4_8_the_site_does_not_start_without_its_secret(self):
        lines = (self.folder / "until-2100").read_text().splitlines()
        kept = [line for line in lines if not line.startswith("OLD_TOKEN_SECRET")]
        (self.folder / "without-secret").write_text("\n".join(kept))
        with self.assertRaisesRegex(AssertionError, "KeyError: 'OLD_TOKEN_SECRET'"):
            self.site("app", self.folder / "without-secret")

    def test_an_old_token_is_good_until_the_set_day(self):
        new = self.me(self.login("alice@example.org", ALICE)).json()
        self.assertEqual(self.me(self.old_token).json(), new)
        altered = self.old_token[:-2] + ("AA" if self.old_token[-2:] != "AA" else "BA")
        self.refused(self.me(altered), 401, "INVALID")
        later = self.started(self.site("app", self.environment_file("until-2020", "2020-01-01")))
        self.refused(self.me(self.old_token, later), 401, "OLD_TOKEN")


def script(name, *arguments):
    done = subprocess.run(
        [PYTHON, name, *arguments],
        cwd=HERE,
        # Those that name no site need none of its settings.
        env={**os.environ, "SITE_DB": "", "OLD_TOKEN_SECRET": ""},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout
