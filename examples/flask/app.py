"""A newspaper: everybody who is logged in reads, editors write."""

from flask import Flask, g, request
from flask.views import MethodView
from tokenward.auth.v1 import auth_pb2

from auth import auth, call, install, login_required, scope_required

app = Flask(__name__)
install(app)

articles = ["Tokens for all"]


@app.post("/login")
def login():
    asked = request.get_json()
    answer = call(
        auth.Login,
        auth_pb2.LoginRequest(
            identifier=asked.get("identifier", ""),
            password=asked.get("password", ""),
            no_refresh_token=not asked.get("stay_logged_in", False),
        ),
    )
    return shown(answer.tokens)


@app.post("/refresh")
def refresh():
    asked = request.get_json()
    question = auth_pb2.RefreshRequest(refresh_token=asked.get("refresh_token", ""))
    tokens = call(auth.Refresh, question).tokens
    # It is the one that the caller has already.
    tokens.refresh_token = ""
    return shown(tokens)


def shown(tokens):
    both = {"access_token": tokens.access_token, "refresh_token": tokens.refresh_token}
    return {name: token for name, token in both.items() if token}


class Articles(MethodView):
    @login_required
    def get(self):
        return articles

    @scope_required("articles:write")
    def post(self):
        articles.append(request.get_json()["title"])
        return {"author": g.claims["sub"]}, 201


app.add_url_rule("/articles", view_func=Articles.as_view("articles"))
