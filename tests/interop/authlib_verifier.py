"""A resource server that uses Authlib's validator of RFC 9068."""

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oidc.discovery import OpenIDProviderMetadata

import question

asked = question.read()


def jwks_url():
    if "jwks_url" in asked:
        return asked["jwks_url"]
    document = question.fetch(asked["issuer"] + asked["metadata"])
    # RFC 8414 section 3.3: they must be identical.
    assert document["issuer"] == asked["issuer"], document["issuer"]
    # Only what concerns verifiers: there are no endpoints for logging in.
    oauth = AuthorizationServerMetadata(document)
    oauth.validate_issuer()
    oauth.validate_jwks_uri()
    oauth.validate_response_types_supported()
    openid = OpenIDProviderMetadata(document)
    openid.validate_subject_types_supported()
    openid.validate_id_token_signing_alg_values_supported()
    return document["jwks_uri"]


class Validator(JWTBearerTokenValidator):
    jwks = question.fetch(jwks_url())

    def get_jwks(self):
        return self.jwks


validator = Validator(issuer=asked["issuer"], resource_server=asked["audience"])


def judge(token):
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, scopes=None, request=None)
    return claims


question.answer(asked["tokens"], judge)
