"""The cases: a token each, and what a perfect peer does with it."""

import dataclasses
import time

from .issuer import PUBLISHED, ROTATED, WITHDRAWN, Issuer, decode, encode, part
from .process import Broken


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    allowed: bool
    meaning: str
    #: The keys at the time when it is asked.
    stage: str = PUBLISHED
    #: Does only a peer know it that asks the issuer?
    only_the_issuer_knows: bool = False


CASES = [
    Case("good", True, "an access token for the peer's audience"),
    Case("wrong_audience", False, "an access token for another audience"),
    Case("expired", False, "an access token past its end, and past the peer's leeway"),
    Case("refresh_as_access", False, "a refresh token"),
    Case("revoked", False, "an access token whose session was revoked", only_the_issuer_knows=True),
    Case(
        "unknown_kid",
        False,
        "an access token of the same issuer, audience and user, signed by a key that was never published",
    ),
    Case("token_4kb", True, "an access token of more than 4000 bytes"),
    Case("altered", False, "a good token with another role in it"),
    Case("no_token", False, "nothing"),
    Case(
        "planned_rotation",
        True,
        "signed by the next key, which was published when the peer fetched the set",
        ROTATED,
    ),
    Case(
        "withdrawn_key",
        False,
        "a good token whose key has left the set, asked of a peer that started afterwards",
        WITHDRAWN,
    ),
    Case(
        "remaining_key", True, "signed by the key that is left, asked of the same peer", WITHDRAWN
    ),
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
                "token_4kb": issuer.login("bob")["accessToken"],
                "no_token": "",
            }
            issuer.call("Revoke", {"token": self._of["revoked"]})
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
    stranger = Issuer(issuer.binary, issuer.grpcurl, folder, issuer.http_port)
    stranger.create_user("alice", "--role", "reader")
    with stranger.serving():
        return stranger.login()["accessToken"]
