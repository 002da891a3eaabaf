"""Pages for people who log in. Who they are says the gateway in front, which asks
Tokenward: nobody else may reach this application."""

from urllib.parse import unquote

from flask import Flask, render_template, request

app = Flask(__name__)

MESSAGES = {
    "INVALID_CREDENTIALS": "Name or password is wrong.",
    "LOGIN_THROTTLED": "Too many attempts. Try again in a minute.",
}


@app.get("/")
def home():
    user = {
        "id": request.headers["X-Auth-Subject"],
        "name": unquote(request.headers.get("X-Auth-Name", "")),
        "roles": request.headers.get("X-Auth-Roles", "").split(),
    }
    return render_template("home.html", user=user)


@app.get("/login")
def login():
    error = request.args.get("error")
    message = MESSAGES.get(error, "That did not work. Try again in a moment.") if error else None
    return render_template("login.html", message=message)
