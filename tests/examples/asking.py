"""A plain HTTP client, which follows no redirects."""

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message

from processes import PATIENCE


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


# Whatever proxy the machine has, it is not for these. The certificates are made
# for the test.
_OPENER = urllib.request.build_opener(
    urllib.request.ProxyHandler({}),
    urllib.request.HTTPSHandler(context=ssl._create_unverified_context()),
    _StayHere,
)


@dataclass
class Answer:
    status: int
    headers: Message
    body: str

    def json(self):
        return json.loads(self.body)


def ask(url, method=None, body=None, exactly=None, **headers):
    """`body` goes as JSON. Names of headers are written with underscores; those of
    `exactly` go as they are."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()} | (exactly or {})
    if body is not None:
        body = json.dumps(body).encode()
        headers["content-type"] = "application/json"
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    try:
        with _OPENER.open(request, timeout=PATIENCE) as answer:
            return Answer(answer.status, answer.headers, answer.read().decode())
    except urllib.error.HTTPError as answer:
        with answer:
            return Answer(answer.status, answer.headers, answer.read().decode())


def bearer(token):
    return {"authorization": f"Bearer {token}"}
