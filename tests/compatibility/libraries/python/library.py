"""How a resource server is asked.

The first line of standard input is a JSON object: the issuer, the audience,
where the keys are (and one key as PEM). Every further line is a token, an empty
one none at all. Each answer is a JSON object on a line.
"""

import importlib.metadata
import json
import sys
import urllib.request


def asked():
    return json.loads(sys.stdin.readline())


def fetch(url):
    """The set of keys, for libraries that leave that to the application."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def serve(judge, *packages):
    """`judge` raises for a token that is not good."""
    tell({"version": ", ".join(map(importlib.metadata.version, packages))})
    for line in sys.stdin:
        tell(verdict(judge, line.rstrip("\n")))


def verdict(judge, token):
    try:
        judge(token)
    except Exception as error:  # Whatever is raised, the token was not accepted.
        return {"allowed": False, "why": repr(error)}
    return {"allowed": True}


def tell(answer):
    print(json.dumps(answer), flush=True)
