"""One peer, tried with every case."""

import contextlib

from .cases import CASES
from .issuer import PUBLISHED, ROTATED, WITHDRAWN
from .peer import World


class Trial:
    """Tries a peer at an issuer."""

    def __init__(self, peer, issuer, tokens, tls, folder, upstream):
        self._peer, self._issuer, self._tokens = peer, issuer, tokens
        self._served_tls = tls if peer.needs_tls else None
        self._tls, self._folder, self._upstream = tls, folder, upstream

    def run(self):
        """The peer's version, and its verdict on each case."""
        with contextlib.ExitStack() as peer_ends:
            with self._issuer.serving(PUBLISHED, self._served_tls):
                judge, version = peer_ends.enter_context(self._opened("first"))
                verdicts = self._ask(judge, PUBLISHED)
            # The same process goes on, with the keys that it has.
            with self._issuer.serving(ROTATED, self._served_tls):
                verdicts |= self._ask(judge, ROTATED)
        with (
            self._issuer.serving(WITHDRAWN, self._served_tls),
            self._opened("second") as (judge, _),
        ):
            verdicts |= self._ask(judge, WITHDRAWN)
        return version, verdicts

    @contextlib.contextmanager
    def _opened(self, name):
        own = self._folder / name
        own.mkdir(parents=True)
        world = World(self._issuer, self._tls, own, self._upstream)
        with self._peer.opened(world) as opened:
            yield opened

    def _ask(self, judge, stage):
        return {case.name: self._judge(judge, case.name) for case in CASES if case.stage == stage}

    def _judge(self, judge, case):
        return judge(self._tokens.of(case, self._peer.leeway))
