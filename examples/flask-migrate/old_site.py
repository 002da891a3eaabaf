"""The site as it was: passwords hashed by Werkzeug, tokens signed with HS256.

`python old_site.py FILE` makes its database, with some users.
"""

import os
import sqlite3
import sys
import time

import jwt
from flask import Flask, abort, request
from werkzeug.security import check_password_hash, generate_password_hash

SCHEMA = """CREATE TABLE users (
    id INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE, phone TEXT UNIQUE,
    is_admin INTEGER NOT NULL DEFAULT 0, password_hash TEXT)"""

USERS = [
    ("Alice", "alice@example.org", "+41446681800", 0, "alice has an old password", "scrypt"),
    ("Bob", "bob@example.org", "+41446681801", 0, "bob too", "pbkdf2:sha256"),
    ("Root", "root@example.org", None, 1, "may list all users", "scrypt"),
]

app = Flask(__name__)


@app.post("/login")
def login():
    asked = request.get_json()
    with sqlite3.connect(os.environ["SITE_DB"]) as database:
        found = database.execute(
            "SELECT id, password_hash FROM users WHERE email = ?1 OR phone = ?1",
            [asked["identifier"]],
        ).fetchone()
    if not found or not check_password_hash(found[1], asked["password"]):
        abort(403)
    now = int(time.time())
    payload = {
        "iss": "old-site",
        "iat": now,
        "exp": now + 86_400,
        "data": {"id": found[0], "login_time": now},
    }
    return {"token": jwt.encode(payload, os.environ["OLD_TOKEN_SECRET"], "HS256")}, 201


def make(path):
    with sqlite3.connect(path) as database:
        database.execute(SCHEMA)
        for name, email, phone, is_admin, password, method in USERS:
            row = (name, email, phone, is_admin, generate_password_hash(password, method))
            database.execute(
                "INSERT INTO users (name, email, phone, is_admin, password_hash) VALUES (?,?,?,?,?)", row
            )


if __name__ == "__main__":
    make(sys.argv[1])
