"""A client that uses the OAuth endpoints with Authlib.

Standard input is one JSON object. With {"make_key": true}, standard output is
a P-256 key: private, and as the JWK Set that is registered. Otherwise the
object says where the server is and who the clients are, and standard output
tells what happened.
"""

import json
import sys

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT, private_key_jwt_sign
from joserfc.jwk import ECKey

asked = json.load(sys.stdin)

if asked.get("make_key"):
    key = ECKey.generate_key("P-256", {"kid": "one"})
    json.dump(
        {
            "private": key.as_dict(private=True),
            "jwks": {"keys": [key.as_dict(private=False)]},
        },
        sys.stdout,
    )
    sys.exit()

issuer = asked["issuer"]
metadata = requests.get(issuer + "/.well-known/oauth-authorization-server").json()
worker = asked["worker"]


class ForThisIssuer(PrivateKeyJWT):
    """Authlib makes assertions out to the token endpoint, and for an hour."""

    def sign(self, auth, token_endpoint):
        return private_key_jwt_sign(
            auth.client_secret, auth.client_id, issuer, alg="ES256", expires_in=60
        )


def session(client, secret, method):
    made = OAuth2Session(client, secret, token_endpoint_auth_method=method, scope="read")
    made.register_client_auth_method(ForThisIssuer())
    return made


def token_of(made):
    return made.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")


def code_of(call):
    try:
        call()
    except OAuthError as error:
        return error.error


def introspect(token):
    made = session("worker", worker, "client_secret_basic")
    answer = made.introspect_token(metadata["introspection_endpoint"], token=token)
    return answer.json()


by_method = {
    "client_secret_basic": session("worker", worker, "client_secret_basic"),
    "client_secret_post": session("worker", worker, "client_secret_post"),
    "private_key_jwt": session("signer", ECKey.import_key(asked["key"]), "private_key_jwt"),
}
scopes = {method: token_of(made)["scope"] for method, made in by_method.items()}
public = session("default", None, "none")
refreshed = public.refresh_token(
    metadata["token_endpoint"], refresh_token=asked["refresh_token"]
)
before = introspect(refreshed["access_token"])
revoked = public.revoke_token(
    metadata["revocation_endpoint"], token=refreshed["refresh_token"]
)
after = introspect(refreshed["access_token"])
wrong = session("worker", "guess", "client_secret_basic")

json.dump(
    {
        "scopes": scopes,
        "before": before,
        "revoked": revoked.status_code,
        "after": after,
        "wrong_secret": code_of(lambda: token_of(wrong)),
    },
    sys.stdout,
)
