"""One peer, tried with every case."""

import contextlib
import dataclasses
import time

from .cases import CASES
from .issuer import DOWN, PUBLISHED, ROTATED, WITHDRAWN
from .process import Broken


class Trial:
    """Tries a peer at an issuer."""

    def __init__(self, peer, world, tokens):
        self._peer, self._world, self._tokens = peer, world, tokens
        self._tls = world.tls if peer.needs_tls else None

    def run(self):
        """The peer's version, and its verdict on each case."""
        with contextlib.ExitStack() as peer_ends:
            with self._world.issuer.serving(PUBLISHED, self._tls):
                judge, version = peer_ends.enter_context(self._opened("first"))
                verdicts = self._ask(judge, PUBLISHED)
            # The same process goes on, with the keys that it has.
            with self._world.issuer.serving(ROTATED, self._tls):
                verdicts |= self._ask(judge, ROTATED)
            verdicts |= self._ask(judge, DOWN)
        with (
            self._world.issuer.serving(WITHDRAWN, self._tls),
            self._opened("second") as (judge, _),
        ):
            verdicts |= self._ask(judge, WITHDRAWN)
        return version, verdicts

    @contextlib.contextmanager
    def _opened(self, name):
        folder = self._world.folder / name
        folder.mkdir(parents=True)
        world = dataclasses.replace(self._world, folder=folder)
        with self._peer.opened(world) as opened:
            yield opened

    def _ask(self, judge, stage):
        cases = [case for case in CASES if case.stage == stage and self._peer.is_asked(case)]
        return {case.name: judge(case, self._token(case, judge)) for case in cases}

    def _token(self, case, judge):
        if case.name == "revoked_later":
            return self._revoked_after_a_look(case, judge)
        return self._tokens.of(case.name, self._peer.leeway)

    def _revoked_after_a_look(self, case, judge):
        token = self._world.issuer.login()["accessToken"]
        if not (seen := judge(case, token)).allowed:
            raise Broken(f"{case.name}: the token was refused before it was revoked: {seen.why}")
        self._world.issuer.revoke(token)
        # What a peer remembers, it remembers by its clock.
        time.sleep(self._peer.remembers and self._peer.remembers + 1)
        return token
