"""Libraries: a process each, which is asked by lines."""

import contextlib
import dataclasses
import json
import pathlib
import select
import subprocess

from tokenward_process import PATIENCE

from .cases import HEADER
from .peer import INSTALLED, Peer
from .process import Broken, running
from .verdict import Verdict

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "libraries"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Library(Peer):
    language: str
    command: list
    #: What the command cannot do without.
    needs: pathlib.Path

    def is_asked(self, case):
        """A library is given the token by itself, out of whatever."""
        return not case.spoofs and case.token_in == HEADER

    def missing(self):
        return None if self.needs.exists() else f"{self.needs.name} is not installed"

    @contextlib.contextmanager
    def opened(self, world):
        log = world.folder / "log"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with running(self.command, log, cwd=INSTALLED, **pipes) as process:

            def ask(line):
                process.stdin.write(f"{line}\n")
                process.stdin.flush()
                return answer()

            def answer():
                # One line is asked for at a time, so none is in a buffer.
                ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
                if line := ready and process.stdout.readline():
                    return json.loads(line)
                raise Broken(f"{self.name} does not answer: {log.read_text()[-3000:]}")

            def judge(_, token):
                said = ask(token)
                return Verdict(said["allowed"], why=said.get("why", ""))

            yield judge, ask(json.dumps(_question(world)))["version"]


def _question(world):
    return {
        "issuer": world.issuer.url,
        "audience": "api",
        "jwks_url": world.jwks_url,
        "pem": world.issuer.public_key(world.issuer.signing_kid),
    }


def python(name, script, **said):
    program = INSTALLED / "venv/bin/python"
    command = [program, SOURCES / "python" / script]
    return Library(name=name, language="Python", command=command, needs=program, light=True, **said)


def node(name, script, **said):
    # Modules are looked for beside the link, not where it leads.
    command = ["node", "--preserve-symlinks", "--preserve-symlinks-main", f"node/{script}"]
    return Library(
        name=name,
        language="Node",
        command=command,
        needs=INSTALLED / "node_modules",
        light=True,
        **said,
    )


def go(name, which, **said):
    program = INSTALLED / "bin/go-libraries"
    return Library(name=name, language="Go", command=[program, which], needs=program, **said)


def java(name, which, **said):
    jars = INSTALLED / "java"
    command = ["java", "-cp", f"{jars}/*", SOURCES / "java/ResourceServer.java", which]
    return Library(name=name, language="Java", command=command, needs=jars, **said)
