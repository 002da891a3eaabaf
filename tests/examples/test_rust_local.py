"""examples/rust-local."""

import grpc
from articles import Articles, tokenward
from asking import ask, bearer
from processes import PATIENCE, ROOT, App, Case
from tokenward.auth.v1 import auth_pb2


class RustLocal(Articles, Case):
    @staticmethod
    def service(tokenward, **environment):
        where = {"AUTH_GRPC": tokenward.grpc, "AUTH_ISSUER": tokenward.issuer}
        return App(
            ROOT / "target/debug/examples/rust-local", **where, PORT="0", GRPC_PORT="0", **environment
        )

    def setUp(self):
        super().setUp()
        self.until_ready(self.app)

    def until_ready(self, app):
        self.until(lambda: ask(f"{app.url}/ready").status == 200, "the service can judge")

    def read(self, token, app=None):
        if app:
            self.until_ready(app)
        return super().read(token, app)

    def invalid(self, answer, reason):
        # Only Tokenward itself can tell a refresh token from garbage.
        reason = {"WRONG_TYPE": "INVALID"}.get(reason, reason)
        status = 403 if reason == "WRONG_AUDIENCE" else 401
        self.challenged(answer, status, 'error="invalid_token"')
        self.assertEqual(answer.headers["x-auth-reason"], reason)

    def test_no_token_is_asked_for_one(self):
        for headers, error in (
            ({}, False),
            ({"authorization": "Basic YTpi"}, False),
            (bearer(""), True),
        ):
            answer = ask(f"{self.app.url}/articles", **headers)
            self.challenged(answer, 401)
            self.assertEqual("error=" in answer.headers["www-authenticate"], error, headers)

    def test_s2_4_a_revoked_token_is_refused_by_whoever_asks(self):
        token = self.tokens.access_token
        self.assertEqual(self.read(token).status, 200)
        self.tokenward.auth.Revoke(auth_pb2.RevokeRequest(token=token))
        self.until(lambda: self.read(token).status == 401, "the revocation is known", every=0.01)
        self.invalid(self.read(token), "REVOKED")

    def test_s2_8_an_outage_is_no_bad_token(self):
        gone = tokenward()
        self.started(gone).user("reader")
        token = gone.login("reader").tokens.access_token
        app = self.started(self.service(gone))
        self.assertEqual(self.read(token, app).status, 200)
        gone.stop()
        self.assertEqual(super().read(token, app).status, 200, "it goes on")
        late = self.started(self.service(gone))
        answer = super().read(token, late)
        self.assertEqual(answer.status, 503, answer.body)
        self.assertEqual(answer.headers["retry-after"], "1")

    def test_a_grpc_service_behind_the_layer(self):
        address = self.app.said(r"gRPC on (\S+)").group(1)
        with grpc.insecure_channel(address) as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            call = lambda token: check(
                b"", metadata=[("authorization", f"Bearer {token}")], timeout=PATIENCE
            )
            self.assertEqual(call(self.tokens.access_token), b"\x08\x01", "SERVING")
            with self.assertRaises(grpc.RpcError) as refused:
                call("garbage")
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
