"""The libraries, and what each is documented to do."""

from .library import go, java, node, python
from .verdict import deny

LIBRARIES = [
    python(
        "PyJWT",
        "pyjwt.py",
        how="`PyJWKClient` and `jwt.decode`",
        keys="5 minutes; fetches again for an unknown `kid`",
    ),
    python(
        "Authlib",
        "authlib_rfc9068.py",
        how="`JWTBearerTokenValidator` of `rfc9068`, with a required scope",
        keys="the application's to fetch",
    ),
    python(
        "joserfc",
        "joserfc_jwt.py",
        how="`jwt.decode` and a `JWTClaimsRegistry`",
        keys="the application's to fetch",
    ),
    python(
        "python-jose",
        "python_jose.py",
        how="`jwt.decode` with the key of the `kid`",
        keys="the application's to fetch",
    ),
    python(
        "Flask-JWT-Extended",
        "flask_jwt.py",
        how="`jwt_required` with `JWT_PUBLIC_KEY`",
        keys="one key as PEM, until the application starts again",
        differs={
            "planned_rotation": (
                deny(),
                "It has one key: give it the next one when that begins to sign.",
            )
        },
    ),
    node(
        "jose",
        "jose.mjs",
        how="`createRemoteJWKSet` and `jwtVerify`",
        keys="10 minutes; fetches again for an unknown `kid`, at most every 30 seconds",
    ),
    node(
        "jwks-rsa",
        "jwks-rsa.mjs",
        how="`getSigningKey` and `verify` of jsonwebtoken",
        keys="10 minutes for each `kid`, five of them; fetches again for an unknown `kid`",
    ),
    node(
        "express-oauth2-jwt-bearer",
        "express-bearer.mjs",
        how="`auth` with `issuerBaseURL` and `strict`",
        keys="10 minutes; fetches again for an unknown `kid`",
    ),
    go(
        "golang-jwt",
        "golang-jwt",
        how="`jwt.NewParser` with `keyfunc.NewDefaultCtx`",
        keys="1 hour; fetches again for an unknown `kid`, at most every 5 minutes",
    ),
    go(
        "go-oidc",
        "go-oidc",
        how="discovery and `provider.Verifier`; the API server of Kubernetes uses an older line of it",
        keys="until it meets an unknown `kid`",
    ),
    go(
        "lestrrat jwx",
        "jwx",
        how="`jwk.Cache` and `jwt.ParseString`",
        keys="as `Cache-Control` says, at least 15 minutes",
    ),
    java(
        "Nimbus JOSE + JWT",
        "nimbus",
        how="`JWKSourceBuilder` and `DefaultJWTProcessor`, with `at+jwt`",
        keys="5 minutes; fetches again for an unknown `kid`",
        leeway=60,
    ),
    java(
        "Spring Security",
        "spring",
        how='`NimbusJwtDecoder` with `createAtJwtValidator`. Its defaults want `tokens.access_type = "JWT"`',
        keys="5 minutes; fetches again for an unknown `kid`",
        leeway=60,
    ),
]
