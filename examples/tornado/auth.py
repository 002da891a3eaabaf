"""Authentication of Tornado handlers by Tokenward.

    class Profile(RequestHandler):
        @authenticated
        async def get(self):
            self.write({"hello": self.current_user["sub"]})

The application puts a verifier into its settings: `AskTokenward` asks for each
request and knows of every revocation; `ReadJwks` checks by itself, and accepts a
revoked token until it expires.
"""

import asyncio
import functools
import json

import grpc
import jwt
from tokenward.auth.v1 import auth_pb2, auth_pb2_grpc

TOKEN_HEADER = "tsessionid"

# Verify answers from memory. Whoever waits longer than this waits in vain.
DEADLINE_S = 3


class Refused(Exception):
    """The token is not good; the argument is the reason."""


class Unavailable(Exception):
    """Nobody can say now whether it is."""


def authenticated(method):
    """The handler's method runs with the token's claims in `current_user`, or not at all."""

    @functools.wraps(method)
    async def checked(self, *args, **kwargs):
        token = self.request.headers.get(TOKEN_HEADER)
        if not token:
            return _refuse(self, 401, "MISSING_TOKEN")
        try:
            self.current_user = await self.settings["verifier"].claims(token)
        except Refused as refused:
            return _refuse(self, 401, str(refused))
        except Unavailable:
            self.set_header("Retry-After", "1")
            return _refuse(self, 503, "UNAVAILABLE")
        return await method(self, *args, **kwargs)

    return checked


def _refuse(handler, status, reason):
    handler.set_status(status)
    handler.finish({"reason": reason})


class AskTokenward:
    def __init__(self, address, audience):
        self._audience = audience
        self._auth = auth_pb2_grpc.AuthServiceStub(grpc.aio.insecure_channel(address))

    async def claims(self, token):
        question = auth_pb2.VerifyRequest(token=token, required_audience=self._audience)
        try:
            verdict = await self._auth.Verify(question, timeout=DEADLINE_S)
        except grpc.aio.AioRpcError as error:
            raise Unavailable from error
        if not verdict.active:
            reason = auth_pb2.InactiveReason.Name(verdict.reason)
            raise Refused(reason.removeprefix("INACTIVE_REASON_"))
        return json.loads(verdict.claims.json)


class ReadJwks:
    def __init__(self, issuer, audience, leeway_s=0):
        self._keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json", timeout=5)
        self._rules = {
            "algorithms": ["RS256"],
            "issuer": issuer,
            "audience": audience,
            "leeway": leeway_s,
            "options": {"require": ["iss", "aud", "exp", "sub"]},
        }

    async def claims(self, token):
        # It fetches keys that it does not know, and must not hold up the loop.
        return await asyncio.to_thread(self._judge, token)

    def _judge(self, token):
        try:
            key = self._keys.get_signing_key_from_jwt(token)
            decoded = jwt.decode_complete(token, key, **self._rules)
        except jwt.ExpiredSignatureError as error:
            raise Refused("EXPIRED") from error
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable from error
        except jwt.PyJWTError as error:
            raise Refused("INVALID") from error
        if decoded["header"].get("typ") != "at+jwt":
            raise Refused("WRONG_TYPE")
        return decoded["payload"]
