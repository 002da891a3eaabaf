"""The gateways, and what each is documented to do."""

from .gateway import Gateway
from .verdict import deny

APACHE = {
    "program": "apache2",
    "includes": ["common.conf"],
    "arguments": ["-d", "{folder}", "-f", "{file}", "-DFOREGROUND"],
}
ENVOY = {
    "program": "envoy",
    "arguments": "-c {file} --disable-hot-restart --concurrency 1 --log-level warning".split(),
    "version": ["envoy", "--version"],
}
ASKS = {"asks_the_issuer": True, "keys": "none: knows at once what was revoked"}
ANSWERS = {
    "wrong_audience": (deny(403), "Tokenward tells a token for others from a bad one."),
    "refresh_as_access": (deny(403), "Tokenward tells the wrong kind of token from a bad one."),
}
FAILS_CLOSED = "Nobody gets in, and nobody is told that the token is bad."
INTROSPECTS = {
    "browser_session": (deny(401), "It asks about bearer tokens only."),
    "tokenward_down": (deny(401), "It calls the token bad: clients may log people out."),
}
AUTHORITY = {"/etc/ssl/certs/tokenward.pem": lambda world: world.tls.authority.read_text()}
SECRET = {"tws_of-the-client-gateway": lambda world: world.client_secret}
MODULES = "/usr/lib/apache2/modules"


def debian(package):
    """Modules tell no version by themselves."""
    return ["dpkg-query", "--show", "--showformat=${Version}", package]


def signing_key(world):
    return world.issuer.public_key(world.issuer.signing_kid)


def next_key(world):
    return world.issuer.public_key(world.issuer.next_kid)


GATEWAYS = [
    Gateway(
        name="Envoy jwt_authn",
        configuration="envoy/jwt_authn.yaml",
        **ENVOY,
        how="verifies with the JWKS",
        keys="`cache_duration`, 5 minutes here; an unknown `kid` fetches nothing",
        leeway=5,
        differs={
            "wrong_audience": (deny(403), "Its status for a wrong audience."),
            "refresh_as_access": (deny(403), "It looks at the audience before the key."),
        },
    ),
    Gateway(
        name="HAProxy",
        configuration="haproxy/haproxy.cfg",
        program="haproxy",
        arguments=["-f", "{file}", "-db"],
        version=["haproxy", "-v"],
        files={
            "/etc/haproxy/tokenward/current.pem": signing_key,
            "/etc/haproxy/tokenward/next.pem": next_key,
        },
        how="`jwt_verify` with public keys in PEM files",
        keys="until it is reloaded",
        light=True,
        differs={"wrong_audience": (deny(403), "As its configuration says.")},
    ),
    Gateway(
        name="Apache mod_auth_openidc",
        configuration="apache/mod_auth_openidc.conf",
        **APACHE,
        version=debian("libapache2-mod-auth-openidc"),
        module=f"{MODULES}/mod_auth_openidc.so",
        files=AUTHORITY,
        how="verifies with the JWKS",
        keys="`OIDCJWKSRefreshInterval`, 5 minutes here; fetches again for an unknown `kid`",
        needs_tls=True,
    ),
    Gateway(
        name="Apache mod_oauth2",
        configuration="apache/mod_oauth2.conf",
        **APACHE,
        version=debian("libapache2-mod-oauth2"),
        module=f"{MODULES}/mod_oauth2.so",
        how="verifies with the JWKS",
        keys="`jwks_uri.cache.expiry`, 5 minutes here; fetches again for an unknown `kid`",
    ),
    Gateway(
        name="Apache mod_auth_openidc (introspection)",
        configuration="apache/mod_auth_openidc_introspection.conf",
        **APACHE,
        version=debian("libapache2-mod-auth-openidc"),
        module=f"{MODULES}/mod_auth_openidc.so",
        files=AUTHORITY,
        words=SECRET,
        how="asks about each token (RFC 7662)",
        keys="none; an answer for `OIDCOAuthTokenIntrospectionInterval`, 1 second here",
        asks_the_issuer=True,
        remembers=1,
        differs=INTROSPECTS,
        needs_tls=True,
    ),
    Gateway(
        name="Apache mod_oauth2 (introspection)",
        configuration="apache/mod_oauth2_introspection.conf",
        **APACHE,
        version=debian("libapache2-mod-oauth2"),
        module=f"{MODULES}/mod_oauth2.so",
        words=SECRET,
        how="asks about each token (RFC 7662)",
        keys="none; an answer for `expiry`, 1 second here",
        asks_the_issuer=True,
        remembers=1,
        differs=INTROSPECTS,
    ),
    Gateway(
        name="nginx",
        configuration="nginx/nginx.conf",
        program="nginx",
        arguments=["-p", "{folder}", "-c", "{file}", "-g", "daemon off;"],
        version=["nginx", "-v"],
        how="`auth_request`: asks `/auth/verify` about each request",
        **ASKS,
        light=True,
        differs=ANSWERS | {"tokenward_down": (deny(503), FAILS_CLOSED)},
    ),
    Gateway(
        name="Caddy",
        configuration="caddy/Caddyfile",
        program="caddy",
        arguments=["run", "--config", "{file}", "--adapter", "caddyfile"],
        version=["caddy", "version"],
        how="`forward_auth`: asks `/auth/verify` about each request",
        **ASKS,
        light=True,
        differs=ANSWERS | {"tokenward_down": (deny(502), FAILS_CLOSED)},
    ),
    Gateway(
        name="Envoy ext_authz",
        configuration="envoy/ext_authz.yaml",
        **ENVOY,
        how="asks `Authorization/Check` about each request",
        **ASKS,
        differs=ANSWERS | {"tokenward_down": (deny(503), FAILS_CLOSED)},
    ),
]
