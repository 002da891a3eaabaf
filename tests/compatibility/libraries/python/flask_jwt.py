"""A Flask application with Flask-JWT-Extended, which is given one key as PEM."""

import library
from flask import Flask
from flask_jwt_extended import JWTManager, jwt_required

asked = library.asked()
app = Flask(__name__)
app.config |= {
    "JWT_ALGORITHM": "RS256",
    "JWT_PUBLIC_KEY": asked["pem"],
    "JWT_DECODE_AUDIENCE": asked["audience"],
    "JWT_DECODE_ISSUER": asked["issuer"],
}
JWTManager(app)


@app.get("/")
@jwt_required()
def protected():
    return ""


def judge(token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = app.test_client().get("/", headers=headers)
    if answer.status_code != 200:
        raise PermissionError(f"{answer.status_code} {answer.text.strip()}")


library.serve(judge, "Flask-JWT-Extended")
