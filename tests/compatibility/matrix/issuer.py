"""A real Tokenward in a scratch folder, and the three stages of its keys.

A planned rotation is done as an operator does it: the next key is in the
folder, and so in the JWKS, long before it signs. That it signs from now on
takes a rename and a restart here, so that nobody has to wait for an instant.
"""

import base64
import contextlib
import datetime
import http.cookies
import json
import pathlib
import ssl
import urllib.request

from tokenward_process import PASSWORD, PATIENCE, flags, free_port, inherited

from .process import Broken, run, running, until

SESSION_COOKIE = "__Host-tokenward"
JWKS = "/.well-known/jwks.json"
SERVICE = "tokenward.auth.v1.AuthService"
CONFIGURATION = """
default_client = "web"
password = { memory_kib = 7168, iterations = 1 }
shutdown = { grace = "0s" }
tokens = { access_lifetime = "2h", issued_at_backdate = "5s" }
throttle = { enabled = false }
browser = { enabled = true }

[clients.web]
audiences = ["api", "billing"]
scopes = ["read", "write"]
default_scopes = ["read"]

# Whose tokens have no scope.
[clients.plain]
audiences = ["api"]

# Whose tokens are soon dead.
[clients.brief]
audiences = ["api"]
scopes = ["read"]
default_scopes = ["read"]
access_lifetime = "10s"
"""

#: The stages: which keys are in the set, and which of them signs.
PUBLISHED = "the next key is published"
ROTATED = "the next key signs"
WITHDRAWN = "the first key is withdrawn"
#: And one without a server.
DOWN = "nothing is served"

#: The file of a key that signs in some future.
FUTURE = "2100-01-01T00-00-00Z.pem"


class Issuer:
    """One data folder with its keys. At most one server runs on it at a time."""

    def __init__(self, binary, folder, http_port=None):
        self.binary, self.folder = binary, pathlib.Path(folder)
        self.folder.mkdir()
        self.http_port = http_port or free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.grpc_port = free_port()
        self.stage = PUBLISHED
        self._tls = None
        self._keys = self.folder / "data/keys/access"
        (self.folder / "tokenward.toml").write_text(CONFIGURATION)
        self.command("keys", "generate")
        (first,) = self._keys.iterdir()
        self.first_kid = self._kids()[0]
        first.rename(self._keys / "first.pem")
        self.command("keys", "generate", "--purpose=access", "--signs-from=2100-01-01T00:00:00Z")
        (self.next_kid,) = set(self._kids()) - {self.first_kid}
        # The name of the next key's file once it signs.
        self._current = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%SZ.pem")

    def command(self, *arguments, text=""):
        """A command of the real program."""
        return run(self._command(arguments), text, cwd=self.folder, env=self._environment())

    def create_client(self, name, *options):
        """A service with credentials of its own: gives its secret."""
        return self.command("client", "create", name, *options).strip()

    def create_user(self, name, *options):
        return self.command("user", "create", name, *options, text=PASSWORD).strip()

    @property
    def signing_kid(self):
        return self.first_kid if self.stage == PUBLISHED else self.next_kid

    def public_key(self, kid):
        """For peers that want a file: SPKI in PEM."""
        return self.command("keys", "export", "--format", "pem", kid)

    @contextlib.contextmanager
    def serving(self, stage=PUBLISHED, tls=None):
        """Serves with the keys of a stage; `tls` is a pair of files."""
        self._arrange(stage)
        self._tls = tls
        files = {"tls.certificate": tls.certificate, "tls.key": tls.key} if tls else {}
        log = self.folder / "log"
        command = self._command(["serve"], files)
        with running(command, log, cwd=self.folder, env=self._environment()) as server:
            until(self._is_ready, server, log, "tokenward is not ready")
            self._check_set()
            yield self

    def call(self, method, request):
        """A call of the service, as JSON over HTTP."""
        return json.loads(self._fetch(f"/{SERVICE}/{method}", json.dumps(request).encode()))

    def login(self, user="alice", **request):
        """The tokens of a new session."""
        return self.call("Login", {"identifier": user, "password": PASSWORD, **request})["tokens"]

    def browser_session(self, user="alice"):
        """The value of the cookie of a new session in a browser."""
        asked = json.dumps({"identifier": user, "password": PASSWORD}).encode()
        with self._open("/session", asked) as answer:
            cookie = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])
        return cookie[SESSION_COOKIE].value

    def revoke(self, token):
        """Ends the session of a token. It is in force from the answer on."""
        self.call("Revoke", {"token": token})

    def _command(self, arguments, more=()):
        settings = {
            "issuer": self.url,
            "data_dir": "data",
            # The keys are those that a case puts there.
            "keys.rotation": "false",
            "grpc.listen": f"127.0.0.1:{self.grpc_port}",
            "admin.listen": f"127.0.0.1:{self.grpc_port}",
            "http.listen": f"127.0.0.1:{self.http_port}",
        } | dict(more)
        return [self.binary, *arguments, *flags(settings)]

    def _environment(self):
        return inherited() | {"TOKENWARD_CONFIG": "tokenward.toml"}

    def _kids(self):
        keys = map(json.loads, self.command("keys", "list", "--json").splitlines())
        return [key["kid"] for key in keys if key["purpose"] == "access"]

    def _arrange(self, stage):
        """Brings the key folder to a stage: the folder is the schedule."""
        keys, away = self._keys, self.folder / "withdrawn.pem"
        _move(keys / "first.pem", away, there=stage == WITHDRAWN)
        _move(keys / FUTURE, keys / self._current, there=stage != PUBLISHED)
        self.stage = stage

    def _check_set(self):
        expected = {self.next_kid} if self.stage == WITHDRAWN else {self.first_kid, self.next_kid}
        published = {key["kid"] for key in json.loads(self._fetch(JWKS))["keys"]}
        if published != expected:
            raise Broken(f"{self.stage}: the JWKS has {published}, not {expected}")

    def _is_ready(self):
        with contextlib.suppress(OSError):
            return self._fetch("/readyz")
        return None

    def _fetch(self, path, body=None):
        with self._open(path, body) as answer:
            return answer.read()

    def _open(self, path, body=None):
        context = ssl.create_default_context(cafile=self._tls.authority) if self._tls else None
        url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self.http_port}{path}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        return urllib.request.urlopen(request, timeout=PATIENCE, context=context)


def _move(here, away, there):
    """Sees to it that the file is `away`, or `here`."""
    source, target = (here, away) if there else (away, here)
    if source.exists():
        source.rename(target)


def decode(segment):
    """Base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def part(token, index):
    """The header (0) or the claims (1) of a token, unchecked."""
    return json.loads(decode(token.split(".")[index]))
