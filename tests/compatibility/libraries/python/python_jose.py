"""A resource server that uses python-jose."""

import library
from jose import jwt

asked = library.asked()
keys = {key["kid"]: key for key in library.fetch(asked["jwks_url"])["keys"]}
required = {f"require_{claim}": True for claim in ("exp", "iss", "aud", "sub")}


def judge(token):
    key = keys[jwt.get_unverified_header(token)["kid"]]
    jwt.decode(
        token, key, ["RS256"], audience=asked["audience"], issuer=asked["issuer"], options=required
    )


library.serve(judge, "python-jose")
