"""The site as it is now: it keeps its own data, and Tokenward the passwords."""

import json
import logging
import os
import sys

import grpc
from flask import Flask, g, request
from tokenward.admin.v1 import user_service_pb2, user_service_pb2_grpc
from tokenward.auth.v1 import auth_pb2

from auth import auth, call, install, login_required

app = Flask(__name__)
install(app)

users = user_service_pb2_grpc.UserServiceStub(
    grpc.insecure_channel(os.environ.get("AUTH_ADMIN_GRPC", "127.0.0.1:50052"))
)
actions = logging.getLogger("actions")
actions.setLevel(logging.INFO)
actions.addHandler(logging.StreamHandler(sys.stdout))


@app.post("/signup")
def sign_up():
    fields = {"display_name": "name", "email": "email", "password": "password"}
    answer = call(auth.Register, auth_pb2.RegisterRequest(**asked(fields)))
    return {"user_id": answer.user_id}, 201


@app.post("/login")
def login():
    fields = {"identifier": "identifier", "password": "password"}
    answer = call(auth.Login, auth_pb2.LoginRequest(no_refresh_token=True, **asked(fields)))
    g.user_id = answer.user_id
    return {"token": answer.tokens.access_token}, 201


@app.post("/logout")
@login_required
def logout():
    call(auth.Revoke, auth_pb2.RevokeRequest(token=g.token))
    return "", 204


@app.get("/me")
@login_required
def me():
    return {"id": g.user["id"], "user_id": g.user["sub"], "name": g.user["name"]}


@app.get("/users")
@login_required
def all_users():
    """For administrators: Tokenward judges the caller's token itself."""
    question = user_service_pb2.ListUsersRequest(page_token=request.args.get("page", ""))
    page = call(users.ListUsers, question, ("authorization", f"Bearer {g.token}"))
    return {"users": [shown(user) for user in page.users], "next_page": page.next_page_token}


def shown(user):
    last_login = user.last_login_time.ToJsonString() if user.HasField("last_login_time") else None
    return {
        "user_id": user.user_id,
        "name": user.display_name,
        "email": user.email,
        "last_login": last_login,
    }


def asked(fields):
    """What of the body goes to Tokenward, which says what is missing."""
    body = request.get_json()
    return {name: str(body.get(field, "")) for name, field in fields.items()}


@app.after_request
def log_action(answer):
    user = g.get("user")
    line = {
        "user_id": user["sub"] if user else g.get("user_id"),
        "url": request.path,
        "method": request.method,
        "event": request.endpoint,
        "msg": g.get("reason", answer.status),
    }
    actions.info(json.dumps(line))
    return answer


@app.teardown_appcontext
def close(_error):
    if "database" in g:
        g.database.close()
