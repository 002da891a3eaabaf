"""What the test asks, and how it wants the answer.

Standard input is one JSON object: the tokens, the issuer, the audience, and
where the keys are: "jwks_url", or "metadata" (a well-known path under the
issuer), or "pem". Standard output is a JSON array with one verdict a token.
"""

import json
import sys
import urllib.request


def read():
    return json.load(sys.stdin)


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return json.load(response)


def answer(tokens, judge):
    """`judge` gives the claims of a token, or raises."""
    json.dump([verdict(token, judge) for token in tokens], sys.stdout)


def verdict(token, judge):
    try:
        return {"claims": judge(token)}
    except Exception as error:  # Whatever is raised, the token was not accepted.
        return {"refused": f"{error!r} {error.__cause__!r}"}
