"""A resource server that uses PyJWT."""

import jwt

import question

asked = question.read()

if "pem" in asked:

    def key_for(token):
        return asked["pem"]
else:
    keys = jwt.PyJWKClient(asked["jwks_url"], timeout=10)

    def key_for(token):
        return keys.get_signing_key_from_jwt(token).key


def judge(token):
    return jwt.decode(
        token,
        key_for(token),
        algorithms=["RS256"],
        audience=asked["audience"],
        issuer=asked["issuer"],
    )


question.answer(asked["tokens"], judge)
