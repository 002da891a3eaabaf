"""Who is asking? Tokens of Tokenward, and until a set day those of the old site."""

import functools
import json
import os
import sqlite3
from datetime import datetime, timezone

import grpc
import jwt
from flask import g, jsonify, request
from tokenward.auth.v1 import auth_pb2, auth_pb2_grpc

AUDIENCE = "site"
DEADLINE_S = 3

# The site does not start without them.
OLD_SECRET = os.environ["OLD_TOKEN_SECRET"]
OLD_TOKENS_UNTIL = datetime.fromisoformat(os.environ["OLD_TOKENS_UNTIL"])

# What is not here is not our caller's fault.
_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
}

auth = auth_pb2_grpc.AuthServiceStub(
    grpc.insecure_channel(os.environ.get("AUTH_GRPC", "127.0.0.1:50051"))
)


class Refused(Exception):
    """The argument is the reason."""


def install(app):
    app.register_error_handler(Refused, lambda refused: refusal(401, str(refused)))
    app.register_error_handler(grpc.RpcError, _failed_call)


def login_required(function):
    """`g.user` is the site's row of the user, and `g.token` what came."""

    @functools.wraps(function)
    def checked(*args, **kwargs):
        g.token = _presented()
        g.user = _user(g.token)
        return function(*args, **kwargs)

    return checked


def call(method, message, *metadata):
    source = ("x-forwarded-for", request.remote_addr)
    return method(message, timeout=DEADLINE_S, metadata=(source, *metadata))


def refusal(status, reason):
    g.reason = reason
    answer = jsonify(reason=reason)
    answer.status_code = status
    return answer


def database():
    if "database" not in g:
        g.database = sqlite3.connect(os.environ["SITE_DB"])
        g.database.row_factory = sqlite3.Row
    return g.database


def _presented():
    """From `Authorization: JWT ...`, or as it is from `x-access-token`."""
    if token := request.headers.get("x-access-token"):
        return token
    header = request.headers.get("Authorization")
    if header is None:
        raise Refused("MISSING_TOKEN")
    words = header.split()
    if len(words) != 2 or words[0] not in ("JWT", "Bearer"):
        raise Refused("MALFORMED_HEADER")
    return words[1]


def _user(token):
    # What the header says only decides which of two locks it is tried on. Each
    # has one algorithm and one key.
    try:
        is_old = jwt.get_unverified_header(token).get("alg") == "HS256"
    except jwt.InvalidTokenError as error:
        raise Refused("INVALID") from error
    return _user_of_old_token(token) if is_old else _user_of_token(token)


def _user_of_token(token):
    question = auth_pb2.VerifyRequest(token=token, required_audience=AUDIENCE)
    verdict = call(auth.Verify, question)
    if not verdict.active:
        reason = auth_pb2.InactiveReason.Name(verdict.reason)
        raise Refused(reason.removeprefix("INACTIVE_REASON_"))
    claims = json.loads(verdict.claims.json)
    return _row("sub", claims["sub"]) or _new_row(claims)


def _new_row(claims):
    """Of somebody who signed up at Tokenward."""
    with database():
        database().execute(
            "INSERT INTO users (sub, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [claims["sub"], claims.get("name")],
        )
    return _row("sub", claims["sub"])


def _user_of_old_token(token):
    if datetime.now(timezone.utc) >= OLD_TOKENS_UNTIL:
        raise Refused("OLD_TOKEN")
    required = {"require": ["exp", "iat", "iss"]}
    try:
        payload = jwt.decode(token, OLD_SECRET, ["HS256"], issuer="old-site", options=required)
    except jwt.ExpiredSignatureError as error:
        raise Refused("EXPIRED") from error
    except jwt.InvalidTokenError as error:
        raise Refused("INVALID") from error
    if user := _row("id", payload["data"]["id"]):
        return user
    raise Refused("NO_SUCH_USER")


def _row(column, value):
    return database().execute(f"SELECT * FROM users WHERE {column} = ?", [value]).fetchone()


def _failed_call(error):
    status = _STATUS.get(error.code(), 503)
    return refusal(status, error.code().name)
