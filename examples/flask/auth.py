"""Tokenward in a Flask application: who is asking, and what may they do?

A hook reads the token before every request and puts its claims into `g.claims`;
decorators say what a function needs.
"""

import functools
import json
import os

import grpc
from flask import abort, g, jsonify, request
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from tokenward.auth.v1 import auth_pb2, auth_pb2_grpc

AUDIENCE = "newspaper"
DEADLINE_S = 3

# What is not here is not our caller's fault.
_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
}

_channel = grpc.insecure_channel(os.environ.get("AUTH_GRPC", "127.0.0.1:50051"))
auth = auth_pb2_grpc.AuthServiceStub(_channel)


def install(app):
    app.before_request(_read_token)
    app.register_error_handler(grpc.RpcError, _failed_call)


def login_required(function):
    return _required(function, scope=None)


def scope_required(scope):
    return functools.partial(_required, scope=scope)


def call(method, message):
    """Calls Tokenward in the name of whoever asks us."""
    source = (("x-forwarded-for", request.remote_addr),)
    return method(message, timeout=DEADLINE_S, metadata=source)


def refusal(status, reason, message):
    answer = jsonify(reason=reason, message=message)
    answer.status_code = status
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _read_token():
    g.claims, g.refusal = None, refusal(401, "MISSING_TOKEN", "you must be authorized")
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return
    question = auth_pb2.VerifyRequest(token=token, required_audience=AUDIENCE)
    verdict = call(auth.Verify, question)
    if verdict.active:
        g.claims = json.loads(verdict.claims.json)
        return
    reason = auth_pb2.InactiveReason.Name(verdict.reason).removeprefix("INACTIVE_REASON_")
    if reason == "WRONG_TYPE":
        g.refusal = refusal(403, reason, "do not use a refresh token")
    else:
        g.refusal = refusal(401, reason, "this token is not good, or not any more")


def _required(function, scope):
    @functools.wraps(function)
    def checked(*args, **kwargs):
        if g.claims is None:
            abort(g.refusal)
        if scope and scope not in g.claims.get("scope", "").split():
            abort(refusal(403, "MISSING_SCOPE", f"you need {scope}"))
        return function(*args, **kwargs)

    return checked


def _failed_call(error):
    """What a failed call of Tokenward's means to our own caller."""
    reason = _reason(error)
    if reason == "WRONG_TYPE":
        return refusal(403, reason, "wrong token")
    status = _STATUS.get(error.code(), 503)
    return refusal(status, reason, "try again in a moment" if status == 503 else error.details())


def _reason(error):
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details if status else []:
        if detail.Unpack(info):
            return info.reason
    return error.code().name
