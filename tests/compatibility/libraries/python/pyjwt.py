"""A resource server that uses PyJWT."""

import jwt
import library

asked = library.asked()
keys = jwt.PyJWKClient(asked["jwks_url"], timeout=10)


def judge(token):
    key = keys.get_signing_key_from_jwt(token)
    required = {"require": ["exp", "iss", "aud", "sub"]}
    jwt.decode(
        token, key, ["RS256"], issuer=asked["issuer"], audience=asked["audience"], options=required
    )


library.serve(judge, "PyJWT")
