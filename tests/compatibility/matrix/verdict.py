"""What a peer did with a token."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    allowed: bool
    #: The status with which it denied, where it answers by HTTP. Of one that
    #: allowed: something is wrong with how.
    status: int | None = None
    #: The peer's own words.
    why: str = dataclasses.field(default="", compare=False)

    def __str__(self):
        word = "allow" if self.allowed else "deny"
        return word if self.status is None else f"{word} {self.status}"


ALLOW = Verdict(True)


def deny(status=None):
    return Verdict(False, status)
