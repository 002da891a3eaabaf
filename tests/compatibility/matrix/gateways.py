"""The gateways, and what each is documented to do."""

from .gateway import Gateway
from .verdict import deny

APACHE = {
    "program": "apache2",
    "arguments": ["-d", "{folder}", "-f", "{file}", "-DFOREGROUND"],
}
MODULES = "/usr/lib/apache2/modules"


def debian(package):
    """Modules tell no version by themselves."""
    return ["dpkg-query", "--show", "--showformat=${Version}", package]


GATEWAYS = [
    Gateway(
        name="Envoy jwt_authn",
        configuration="envoy/jwt_authn.yaml",
        program="envoy",
        arguments=[
            "-c",
            "{file}",
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--log-level",
            "warning",
        ],
        version=["envoy", "--version"],
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
            "/etc/haproxy/tokenward/current.pem": lambda world: world.issuer.public_key(
                world.issuer.signing_kid
            ),
            "/etc/haproxy/tokenward/next.pem": lambda world: world.issuer.public_key(
                world.issuer.next_kid
            ),
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
        files={
            "/etc/ssl/certs/tokenward.pem": lambda world: world.tls.authority.read_text(),
        },
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
]
