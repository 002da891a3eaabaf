"""Programs in the background: the real tokenward, and the applications."""

import os
import re
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import grpc
from tokenward.auth.v1 import auth_pb2, auth_pb2_grpc
from tokenward_process import PASSWORD, PATIENCE, flags, free_port, inherited

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "examples"
INSTALLED = ROOT / "target/examples"
PYTHON = INSTALLED / "venv/bin/python"


class Case(unittest.TestCase):
    """Tests of one application. What it starts is stopped when they are done."""

    @classmethod
    def started(cls, process):
        cls.addClassCleanup(process.stop)
        return process

    def until(self, is_so, what, every=0.05):
        """Waits for what another process is about to do."""
        deadline = time.monotonic() + PATIENCE
        while not (result := is_so()):
            self.assertLess(time.monotonic(), deadline, f"waited in vain until {what}")
            time.sleep(every)
        return result


class Process:
    """A program whose output is read all along."""

    def __init__(self, *command, cwd=None, environment=None):
        self._lines = []
        self._more = threading.Condition()
        self._ended = False
        self._child = subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env={**inherited(), "PYTHONUNBUFFERED": "1", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        with self._child.stdout as output:
            for line in output:
                with self._more:
                    self._lines.append(line)
                    self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()

    def output(self):
        with self._more:
            return "".join(self._lines)

    def said(self, pattern):
        """Waits until the output has this, and gives the match."""
        found = lambda: re.search(pattern, "".join(self._lines))
        with self._more:
            self._more.wait_for(lambda: found() or self._ended, PATIENCE)
            match = found()
        if not match:
            self.stop()
            raise AssertionError(f"{pattern} is not in the output:\n{self.output()}")
        return match

    def stop(self):
        self._child.terminate()
        try:
            self._child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class App(Process):
    """An application that says where it listens: on a free port."""

    def __init__(self, *command, cwd=None, **environment):
        super().__init__(*command, cwd=cwd, environment=environment)
        self.url = self.said(r"https?://(?:127\.0\.0\.1|localhost):\d+").group()


class Tokenward:
    """The real program in a scratch folder of its own, and a client of it."""

    def __init__(self, config=None, **settings):
        self._folder = tempfile.TemporaryDirectory(prefix="tokenward-")
        self._settings = {
            "data_dir": f"{self._folder.name}/data",
            "grpc.listen": "127.0.0.1:0",
            "admin.listen": "127.0.0.1:0",
            "shutdown.grace": "0s",
            # As cheap as is allowed: these tests are about other things.
            "password.memory_kib": 7168,
            "password.iterations": 1,
            **settings,
        }
        self._config = ["--config", config] if config else []
        self.command("keys", "generate")
        self._serve()

    def _serve(self):
        # The address must be known before the start, for it is the issuer's.
        # Somebody else may have taken the port in between.
        for attempt in range(5):
            address = f"127.0.0.1:{free_port()}"
            listening = {"http.listen": address}
            if "issuer" not in self._settings:
                listening["issuer"] = f"http://{address}"
            self._process = Process(*self._words("serve", **listening))
            try:
                serving = self._process.said('"message":"serving".*')
                break
            except AssertionError:
                if attempt == 4 or "in use" not in self._process.output():
                    raise
        said = lambda name: re.search(f'"{name}":"([^"]+)"', serving.group()).group(1)
        self.grpc, self.admin, self.http = said("grpc"), said("admin"), f"http://{said('http')}"
        self.issuer = said("issuer")
        self._channel = grpc.insecure_channel(self.grpc)
        grpc.channel_ready_future(self._channel).result(PATIENCE)
        self.auth = auth_pb2_grpc.AuthServiceStub(self._channel)

    def _words(self, *words, **settings):
        sets = flags({**self._settings, **settings})
        return [os.environ["TESTED_BINARY"], *words, *self._config, *sets]

    def command(self, *words, stdin=""):
        """Runs a command to its end; gives what it printed."""
        done = subprocess.run(
            self._words(*words), input=stdin, env=inherited(), text=True, capture_output=True, check=False
        )
        if done.returncode != 0:
            raise AssertionError(f"{words}: {done.stdout}{done.stderr}")
        return done.stdout.strip()

    def user(self, name, *flags):
        """A user with PASSWORD; gives the id."""
        return self.command("user", "create", name, *flags, stdin=PASSWORD)

    def login(self, identifier, **request):
        request = auth_pb2.LoginRequest(identifier=identifier, password=PASSWORD, **request)
        return self.auth.Login(request, timeout=PATIENCE)

    def log(self):
        return self._process.output()

    def stop(self):
        self._channel.close()
        self._process.stop()
        self._folder.cleanup()
