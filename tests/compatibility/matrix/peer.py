"""What every peer says of itself."""

import contextlib
import dataclasses
import pathlib

from .cases import Case
from .issuer import JWKS, Issuer
from .tls import Tls
from .verdict import ALLOW, Verdict, deny

ROOT = pathlib.Path(__file__).resolve().parents[3]
INSTALLED = ROOT / "target/compatibility"


@dataclasses.dataclass(frozen=True)
class World:
    """What a peer is given."""

    issuer: Issuer
    tls: Tls
    #: A folder for the peer's own files.
    folder: pathlib.Path
    #: Of the client "gateway", for peers that must say who they are.
    client_secret: str
    #: Where gateways pass allowed requests on to.
    upstream: int

    @property
    def jwks_url(self):
        return self.issuer.url + JWKS


@dataclasses.dataclass(frozen=True, kw_only=True)
class Peer:
    name: str
    #: How it comes to its verdict, in a few words.
    how: str
    #: What it does with the keys that it once has.
    keys: str
    #: Does it belong to the light matrix?
    light: bool = False
    #: Does it ask the issuer about each token?
    asks_the_issuer: bool = False
    #: Does it take keys by https only?
    needs_tls: bool = False
    #: For how many seconds it keeps an answer of the issuer.
    remembers: int = 0
    #: The seconds by which it forgives an expired token.
    leeway: int = 0
    #: Where it differs from a perfect peer: the verdict, and why.
    differs: dict[str, tuple[Verdict, str]] = dataclasses.field(default_factory=dict)

    #: The status with which it denies, unless `differs` says otherwise.
    denies_with = None

    def is_asked(self, case: Case) -> bool:
        """Does the case mean anything to it?"""
        return True

    def documented(self, case: Case) -> Verdict:
        if case.name in self.differs:
            return self.differs[case.name][0]
        allowed = case.is_allowed(self.asks_the_issuer)
        return ALLOW if allowed else deny(self.denies_with)

    def missing(self) -> str | None:
        """What has to be installed first."""
        raise NotImplementedError

    @contextlib.contextmanager
    def opened(self, world: World):
        """Starts it, and gives what answers for a case and its token, and its version."""
        raise NotImplementedError
