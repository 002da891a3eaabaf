"""The cases: a token each, and what a perfect peer does with it."""

import dataclasses
import time

from .issuer import DOWN, PUBLISHED, ROTATED, WITHDRAWN, Issuer, decode, encode, part
from .process import Broken


#: Where the client puts the token.
HEADER = "Authorization"
COOKIE = "Cookie"
URL = "access_token"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    #: What the peer is asked with.
    meaning: str
    #: Is it allowed by a peer that verifies by itself?
    allowed: bool
    #: And by one that asks the issuer, if that differs.
    allowed_by_issuer: bool | None = None
    #: When it is asked: the keys of that time, or no issuer at all.
    stage: str = PUBLISHED
    #: Does the client send identity headers of its own?
    spoofs: bool = False
    token_in: str = HEADER
    #: Cookies that are none of Tokenward's business.
    cookies: str = ""

    def is_allowed(self, asks_the_issuer):
        if asks_the_issuer and self.allowed_by_issuer is not None:
            return self.allowed_by_issuer
        return self.allowed


CASES = [
    Case("good", "an access token for its audience", True),
    Case("wrong_audience", "an access token for another audience", False),
    Case("expired", "an access token past its end, and past the leeway of the peer", False),
    Case("refresh_as_access", "a refresh token", False),
    Case("revoked", "an access token whose session was revoked", True, False),
    Case("revoked_later", "a token that it has let pass before, when it was good", True, False),
    Case(
        "unknown_kid",
        "an access token of the same issuer, audience and user, by a key that was never published",
        False,
    ),
    Case(
        "token_4kb",
        "an access token of more than 4000 bytes, and of gateways a cookie of as many",
        True,
        cookies=f"preferences={'x' * 4096}",
    ),
    Case("altered", "a good token, changed to name another role", False),
    Case("no_token", "nothing", False),
    Case(
        "made_up_identity",
        "a good token without scope, and made-up `X-Auth-*` headers, in all spellings with `-` "
        "and `_`; none may reach the API",
        True,
        spoofs=True,
    ),
    Case(
        "token_in_url",
        "nothing but a good token as `access_token` in the URL, which logs keep",
        False,
        token_in=URL,
    ),
    Case(
        "browser_session",
        "nothing but the cookie of a browser session, which may not reach the API",
        False,
        True,
        token_in=COOKIE,
    ),
    Case(
        "planned_rotation",
        "a token by the next key, which was published when the peer started",
        True,
        stage=ROTATED,
    ),
    Case(
        "tokenward_down",
        "another good token, while Tokenward does not run",
        True,
        False,
        stage=DOWN,
    ),
    Case(
        "withdrawn_key",
        "a good token whose key has left the set, after a start of the peer",
        False,
        stage=WITHDRAWN,
    ),
    Case("remaining_key", "then, a token by the key that is left", True, stage=WITHDRAWN),
]


class Tokens:
    """The token of each case."""

    def __init__(self, issuer, stranger_folder):
        self.user = issuer.create_user("alice", "--email", "alice@example.org", "--role", "reader")
        roles = [f"department-{number:02}-of-a-large-organisation" for number in range(64)]
        issuer.create_user("bob", *(option for role in roles for option in ("--role", role)))
        with issuer.serving():
            first = issuer.login()
            self._of = {
                "expired": issuer.login(client_id="brief")["accessToken"],
                "good": first["accessToken"],
                "refresh_as_access": first["refreshToken"],
                "wrong_audience": issuer.login(audience=["billing"])["accessToken"],
                "revoked": issuer.login()["accessToken"],
                # What the token does not say, the client must not say either.
                "made_up_identity": issuer.login(client_id="plain")["accessToken"],
                "token_4kb": issuer.login("bob")["accessToken"],
                # Not one that a peer has seen, and keeps an answer about.
                "tokenward_down": issuer.login()["accessToken"],
                "no_token": "",
                "token_in_url": first["accessToken"],
                "browser_session": issuer.browser_session(),
            }
            issuer.revoke(self._of["revoked"])
        with issuer.serving(ROTATED):
            self._of["planned_rotation"] = issuer.login()["accessToken"]
        self._of["withdrawn_key"] = self._of["good"]
        self._of["remaining_key"] = self._of["planned_rotation"]
        self._of["altered"] = _altered(self._of["good"])
        self._of["unknown_kid"] = _of_a_stranger(issuer, stranger_folder)
        self._check(issuer)

    def of(self, name, leeway):
        """The token of a case, for a peer that forgives so many seconds."""
        token = self._of[name]
        if name == "expired":
            rest = part(token, 1)["exp"] + leeway + 1 - time.time()
            time.sleep(max(0.0, rest))
        return token

    def _check(self, issuer):
        """The tokens are what the cases say."""
        kids = {name: part(token, 0)["kid"] for name, token in self._of.items() if token}
        length = len(self._of["token_4kb"])
        for holds, what in [
            (kids["good"] == kids["revoked"] == issuer.first_kid, "the first key signs"),
            (kids["planned_rotation"] == issuer.next_kid, "the next key signs after the rotation"),
            (kids["unknown_kid"] not in {issuer.first_kid, issuer.next_kid}, "a stranger's key"),
            (part(self._of["unknown_kid"], 1)["iss"] == issuer.url, "a stranger of the same name"),
            (4000 < length < 8192, f"a token of {length} bytes"),
        ]:
            if not holds:
                raise Broken(f"the tokens are not as the cases need them: {what}")


def _altered(token):
    """Another role under the old signature."""
    header, claims, signature = token.split(".")
    altered = encode(decode(claims).replace(b'"reader"', b'"writer"'))
    if altered == claims:
        raise Broken("the good token names no role")
    return f"{header}.{altered}.{signature}"


def _of_a_stranger(issuer, folder):
    """A token of an issuer that has the same name and other keys."""
    stranger = Issuer(issuer.binary, folder, issuer.http_port)
    stranger.create_user("alice", "--role", "reader")
    with stranger.serving():
        return stranger.login()["accessToken"]
