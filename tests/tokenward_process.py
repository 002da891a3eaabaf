"""What tests share that start a real tokenward. Only the standard library is needed."""

import os
import random
import socket

PASSWORD = "correct horse battery staple"

# How long anything may take on a slow and busy machine, in seconds.
PATIENCE = 60


def inherited():
    """The environment, without what whoever runs the tests has set for a tokenward or
    for an application of it."""
    return {n: v for n, v in os.environ.items() if not n.startswith(("TOKENWARD_", "AUTH_"))}


def flags(settings):
    """Settings, as words of a command line."""
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def free_port():
    """A port for a program that must be told one. It is below those that systems give
    out by themselves, so that nobody gets it while the program is restarted."""
    for port in random.sample(range(20_000, 30_000), 1_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")
