"""A client that authenticates with assertions that PyJWT signs (RFC 7523).

Standard input is one JSON object: the issuer, the client and another one.
Standard output is one JSON object: the public keys of both as JWK Sets, and
assertions by name.
"""

import base64
import hmac
import json
import sys
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

asked = json.load(sys.stdin)
now = int(time.time())

rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ec_key = ec.generate_private_key(ec.SECP256R1())
other_key = ec.generate_private_key(ec.SECP256R1())


def jwk(algorithm, key, kid):
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}


count = 0


def claims(**changes):
    global count
    count += 1
    said = {
        "iss": asked["client"],
        "sub": asked["client"],
        "aud": asked["issuer"],
        "iat": now,
        "exp": now + 120,
        "jti": f"id-{count}",
        **changes,
    }
    return {name: value for name, value in said.items() if value is not None}


def by_rsa(**changes):
    return jwt.encode(claims(**changes), rsa_key, algorithm="RS256", headers={"kid": "r"})


def by_ec(**changes):
    return jwt.encode(claims(**changes), ec_key, algorithm="ES256", headers={"kid": "e"})


def by_hmac(encoding):
    """By the public key as a secret, which PyJWT itself refuses to do."""
    secret = rsa_key.public_key().public_bytes(
        encoding, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    message, _, _ = jwt.encode(
        claims(), "x" * 32, algorithm="HS256", headers={"kid": "r"}
    ).rpartition(".")
    signature = hmac.digest(secret, message.encode(), "sha256")
    return f"{message}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


good = {
    "rs256": by_rsa(),
    "es256": by_ec(),
    "without kid": jwt.encode(claims(), ec_key, algorithm="ES256"),
    "audience in a list": by_rsa(aud=[asked["issuer"]]),
}
bad = {
    "another audience": by_rsa(aud=asked["issuer"] + "/token"),
    "two audiences": by_rsa(aud=[asked["issuer"], "https://other.example"]),
    "no audience": by_rsa(aud=None),
    "expired": by_rsa(exp=now - 1),
    "exp too far": by_rsa(exp=now + 400),
    "no exp": by_rsa(exp=None),
    "exp as a fraction": by_rsa(exp=now + 60.5),
    "not yet": by_rsa(nbf=now + 200),
    "from the future": by_rsa(iat=now + 200),
    "no jti": by_rsa(jti=None),
    "another subject": by_rsa(sub=asked["other"]),
    "another issuer": by_rsa(iss=asked["other"]),
    "none": jwt.encode(claims(), None, algorithm="none"),
    "none with a kid": jwt.encode(claims(), None, algorithm="none", headers={"kid": "r"}),
    "hs256 by der": by_hmac(serialization.Encoding.DER),
    "hs256 by pem": by_hmac(serialization.Encoding.PEM),
    "ps256": jwt.encode(claims(), rsa_key, algorithm="PS256", headers={"kid": "r"}),
    "rs512": jwt.encode(claims(), rsa_key, algorithm="RS512", headers={"kid": "r"}),
    "another client's key": jwt.encode(
        claims(), other_key, algorithm="ES256", headers={"kid": "e"}
    ),
    "the name of another key": jwt.encode(
        claims(), ec_key, algorithm="ES256", headers={"kid": "r"}
    ),
    "its own key": jwt.encode(
        claims(),
        other_key,
        algorithm="ES256",
        headers={"kid": "e", "jwk": jwk(ECAlgorithm, other_key, "e")},
    ),
    "crit": jwt.encode(
        claims(), rsa_key, algorithm="RS256", headers={"kid": "r", "crit": ["x"], "x": 1}
    ),
}

json.dump(
    {
        "jwks": {"keys": [jwk(RSAAlgorithm, rsa_key, "r"), jwk(ECAlgorithm, ec_key, "e")]},
        "other_jwks": {"keys": [jwk(ECAlgorithm, other_key, "e")]},
        "good": good,
        "bad": bad,
    },
    sys.stdout,
)
