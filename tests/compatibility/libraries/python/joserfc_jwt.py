"""A resource server that uses joserfc."""

import library
from joserfc import jwt
from joserfc.jwk import KeySet

asked = library.asked()
keys = KeySet.import_key_set(library.fetch(asked["jwks_url"]))
claims = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": asked["issuer"]},
    aud={"essential": True, "value": asked["audience"]},
    exp={"essential": True},
    sub={"essential": True},
)


def judge(text):
    token = jwt.decode(text, keys, ["RS256"])
    if token.header["typ"] != "at+jwt":
        raise ValueError(f"typ {token.header['typ']}")
    claims.validate(token.claims)


library.serve(judge, "joserfc")
