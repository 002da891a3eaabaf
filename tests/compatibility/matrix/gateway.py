"""Gateways: the program with its configuration of examples/gateways, asked by HTTP."""

import contextlib
import dataclasses
import http.client
import os
import pathlib
import re
import shutil
from collections.abc import Callable

from .peer import INSTALLED, ROOT, Peer, World
from .process import accepts, free_port, run, running, until
from .verdict import Verdict

EXAMPLES = ROOT / "examples/gateways"
#: The gateway's own port in the examples.
PUBLIC = 10000
#: What a client claims to be, and must not be believed.
SPOOFED = "mallory"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gateway(Peer):
    #: Below examples/gateways.
    configuration: str
    program: str
    #: What follows the program; `{file}` is the configuration, `{folder}` an empty folder.
    arguments: list[str]
    #: The command that tells the version of what verifies.
    version: list[str]
    #: A file that must be there besides the program.
    module: str | None = None
    #: Paths in the configuration, and what makes the files that take their place.
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
        file = world.folder / pathlib.Path(self.configuration).name
        file.write_text(self._configuration(world, port))
        places = {"file": file, "folder": world.folder}
        command = [
            _found(self.program),
            *(argument.format(**places) for argument in self.arguments),
        ]
        log = world.folder / "log"
        with running(command, log, cwd=world.folder) as process:
            until(lambda: accepts(port), process, log, f"{self.name} does not start")
            yield lambda token: ask(port, token), self._version()

    def _version(self):
        program, *arguments = self.version
        said = run([_found(program), *arguments], stderr_too=True)
        return re.search(r"\d+\.\d+\.\d+[^\s/]*", said).group()

    def _configuration(self, world, port):
        """The example, with the addresses and files of this run."""
        text = (EXAMPLES / self.configuration).read_text()
        ports = {
            8080: world.issuer.http_port,
            50051: world.issuer.grpc_port,
            PUBLIC: port,
            9000: world.upstream,
        }
        text = re.sub(
            r"\b(8080|50051|10000|9000)\b", lambda found: str(ports[int(found.group())]), text
        )
        for path, content in self.files.items():
            own = world.folder / path.lstrip("/").replace("/", "-")
            own.write_text(content(world))
            text = text.replace(path, str(own))
        return text


def _found(program):
    """Where the program is."""
    places = [INSTALLED / "venv/bin", *os.get_exec_path(), "/usr/sbin"]
    return shutil.which(program, path=os.pathsep.join(map(str, places)))


def ask(port, token):
    """A request with the token, and with an identity that the client made up."""
    headers = {"X-Auth-Subject": SPOOFED}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/things", headers=headers)
        answer = connection.getresponse()
        body = answer.read().decode(errors="replace")
    if answer.headers["X-Reached"] != "upstream":
        return Verdict(False, answer.status, answer.headers["WWW-Authenticate"] or " ".join(body.split())[:200])
    # A gateway that lets clients say who they are is none.
    spoofed = SPOOFED in body
    return Verdict(
        True,
        200 if spoofed else None,
        "the client's own X-Auth-Subject reached the API" if spoofed else "",
    )
