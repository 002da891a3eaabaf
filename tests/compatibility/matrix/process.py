"""Processes of other programs, which end when their block does."""

import contextlib
import os
import socket
import subprocess
import time

from tokenward_process import PATIENCE

LOOK = 0.02


class Broken(Exception):
    """Something needed for the matrix does not work: no verdict about a peer."""


def run(command, text="", stderr_too=False, **options):
    """Runs a command to its end, and gives what it says."""
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=PATIENCE, **options
    )
    if done.returncode != 0:
        raise Broken(f"{' '.join(map(str, command))}: {done.stderr or done.stdout}")
    return done.stdout + done.stderr if stderr_too else done.stdout


@contextlib.contextmanager
def running(command, log, **options):
    """A process whose output goes to the file `log`."""
    with open(log, "ab") as output:
        process = subprocess.Popen(
            command,
            stdout=options.pop("stdout", output),
            stderr=output,
            start_new_session=True,
            **options,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process):
    """SIGTERM; and SIGKILL for its whole group if it does not go."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        process.wait()


def until(condition, process, log, what):
    """Waits for what `condition` gives, while the process lives."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := condition():
            return found
        if process.poll() is not None:
            break
        time.sleep(LOOK)
    raise Broken(f"{what}:\n{log.read_text(errors='replace')[-3000:]}")


def accepts(port):
    """Does anybody listen there?"""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
