"""A resource server that uses Authlib's validator of access tokens (RFC 9068)."""

import library
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

asked = library.asked()
keys = library.fetch(asked["jwks_url"])


class Validator(JWTBearerTokenValidator):
    def get_jwks(self):
        return keys


validator = Validator(issuer=asked["issuer"], resource_server=asked["audience"])


def judge(text):
    validator.validate_token(validator.authenticate_token(text), ["read"], None)


library.serve(judge, "Authlib")
