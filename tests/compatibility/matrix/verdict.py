"""What a peer did with a token."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Verdict:
    allowed: bool
    #: The status of an answer, where a peer answers by HTTP.
    status: int | None = None
    #: The peer's own words.
    why: str = dataclasses.field(default="", compare=False)

    def __str__(self):
        word = "allow" if self.allowed else "deny"
        return word if self.status is None else f"{word} {self.status}"


ALLOW = Verdict(True)


def deny(status=None):
    return Verdict(False, status)
