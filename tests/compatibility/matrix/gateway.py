"""Gateways: the program with its configuration of examples/gateways, asked by HTTP."""

import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import re
import shutil
from collections.abc import Callable

from tokenward_process import PATIENCE, free_port

from .cases import COOKIE, HEADER, URL
from .issuer import SESSION_COOKIE, part
from .peer import INSTALLED, ROOT, Peer, World
from .process import accepts, run, running, until
from .verdict import Verdict

EXAMPLES = ROOT / "examples/gateways"
#: What a client claims to be, and must not be believed. Many frameworks behind
#: gateways take "_" in the name of a header for "-".
SPOOFED = "mallory"
IDENTITY = "Subject Client-Id Session-Id Audience Scope Roles Name Email Expires".split()
SPOOFS = {
    f"X{first}Auth{second}{name.replace('-', second)}": SPOOFED
    for name in IDENTITY
    for first in "-_"
    for second in "-_"
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gateway(Peer):
    #: Below examples/gateways; and what it includes from its own folder.
    configuration: str
    includes: list[str] = dataclasses.field(default_factory=list)
    program: str
    #: What follows the program; `{file}` is the configuration, `{folder}` an empty folder.
    arguments: list[str]
    #: The command that tells the version of what verifies.
    version: list[str]
    #: A file that must be there besides the program.
    module: str | None = None
    #: Words in the configuration, and what takes their place.
    words: dict[str, Callable[[World], str]] = dataclasses.field(default_factory=dict)
    #: Paths in the configuration, and what is in the files that take their place.
    files: dict[str, Callable[[World], str]] = dataclasses.field(default_factory=dict)

    denies_with = 401

    def missing(self):
        if not _found(self.program):
            return f"{self.program} is not installed"
        if self.module and not pathlib.Path(self.module).exists():
            return f"{self.module} is not there"
        return None

    @contextlib.contextmanager
    def opened(self, world):
        port = free_port()
        file = EXAMPLES / self.configuration
        for source in [file, *(file.with_name(name) for name in self.includes)]:
            text = self._of_this_run(source.read_text(), world, port)
            (world.folder / source.name).write_text(text)
        places = {"file": world.folder / file.name, "folder": world.folder}
        arguments = [argument.format(**places) for argument in self.arguments]
        log = world.folder / "log"
        # Nothing of a gateway is left in the home of whoever runs this.
        home = os.environ | {"HOME": str(world.folder), "XDG_CONFIG_HOME": str(world.folder)}
        with running(
            [_found(self.program), *arguments], log, cwd=world.folder, env=home
        ) as process:
            until(lambda: accepts(port), process, log, f"{self.name} does not start")
            yield lambda case, token: ask(port, case, token), self._version()

    def _version(self):
        program, *arguments = self.version
        said = run([_found(program), *arguments], stderr_too=True)
        return re.search(r"\d+\.\d+\.\d+[^\s/]*", said).group()

    def _of_this_run(self, text, world, port):
        """An example, with the addresses, words and files of this run."""
        issuer = world.issuer
        ports = {8080: issuer.http_port, 50051: issuer.grpc_port, 9000: world.upstream, 10000: port}
        for shown, real in ports.items():
            text = re.sub(rf"\b{shown}\b", str(real), text)
        for word, meant in self.words.items():
            text = text.replace(word, meant(world))
        for path, content in self.files.items():
            own = world.folder / path.lstrip("/").replace("/", "-")
            own.write_text(content(world))
            text = text.replace(path, str(own))
        return text


def _found(program):
    """Where the program is."""
    places = [INSTALLED / "venv/bin", *os.get_exec_path(), "/usr/sbin"]
    return shutil.which(program, path=os.pathsep.join(map(str, places)))


def ask(port, case, token):
    """A request with the token."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", _path(case, token), headers=_headers(case, token))
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    if answer.headers["X-Reached"] != "upstream":
        said = answer.headers["WWW-Authenticate"] or " ".join(body.split())[-120:]
        return Verdict(False, answer.status, said)
    headers = json.loads(body)
    told = [header for header in headers if re.match("cookie|x[-_]auth[-_]", header[0])]
    said = f"the API was told {told}"[:200]
    return Verdict(True, None if _is_right(headers, token) else 200, said)


def _path(case, token):
    return f"/things?{URL}={token}" if case.token_in == URL else "/things"


def _headers(case, token):
    headers = dict(SPOOFS) if case.spoofs else {}
    if case.cookies:
        headers["Cookie"] = case.cookies
    if token and case.token_in == HEADER:
        headers["Authorization"] = f"Bearer {token}"
    if case.token_in == COOKIE:
        headers["Cookie"] = f"{SESSION_COOKIE}={token}"
    return headers


def _is_right(headers, token):
    """A gateway that lets clients say who they are is none; and "(null)", which
    Apache says for nothing, is no scope. The cookie of a session is not for APIs."""
    subjects = [value for name, value in headers if name == "x-auth-subject"]
    wrong = any(value in (SPOOFED, "(null)") or SESSION_COOKIE in value for _, value in headers)
    return token and subjects == [part(token, 1)["sub"]] and not wrong
