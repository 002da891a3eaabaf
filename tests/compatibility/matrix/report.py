"""docs/compatibility.md."""

from .cases import CASES

BEGINNING = """\
# Compatibility

Which programs and libraries of others work with the tokens of Tokenward, and what each does with a token that is not good. This page
is written by `tests/compatibility/run`: it starts a real Tokenward and every peer in the version named below, and fails when one of them does
anything else than is said here. The gateways run with the configurations of [examples/gateways](../examples/gateways/README.md).

## The cases

| case | the peer is asked with | if it verifies by itself | if it asks Tokenward |
|---|---|---|---|
"""

MATRIX = """
A peer that verifies by itself cannot know that a token was revoked: it lets it pass until it expires. Keep `tokens.access_lifetime`
short, or use a gateway that asks Tokenward.

*Withdrawn key* is asked of a peer that was started after the key had gone. One that runs on trusts the key for as long as it keeps its keys;
how long that is says the last column of [the peers](#the-peers).

## What they do

**Bold** is what differs from what is expected; the number leads to the reason below.

"""

PEERS = """
## The peers

| peer | version | verifies by | keeps keys for |
|---|---|---|---|
"""


def document(peers, versions):
    """The whole page."""
    numbers = _numbers(peers)
    cases = [f"| {_words(case)} | {case.meaning} | {_expected(case)} |" for case in CASES]
    heads = [f"| peer | {' | '.join(map(_words, CASES))} |", f"|---|{'---|' * len(CASES)}"]
    reasons = [f"{number}. {reason}" for reason, number in numbers.items()]
    described = [
        f"| {peer.name} | {versions[peer.name]} | {peer.how} | {peer.keys} |" for peer in peers
    ]
    return "".join(
        [
            BEGINNING,
            _lines(cases),
            MATRIX,
            _lines(heads + [_row(peer, numbers) for peer in peers]),
            "\n",
            _lines(reasons),
            PEERS,
            _lines(described),
        ]
    )


def unwritten(peers, all_peers, text):
    """The rows of these peers that the page does not have."""
    numbers, lines = _numbers(all_peers), set(text.splitlines())
    return [row for peer in peers if (row := _row(peer, numbers)) not in lines]


def _row(peer, numbers):
    return f"| {peer.name} | {' | '.join(_cell(peer, case, numbers) for case in CASES)} |"


def _cell(peer, case, numbers):
    if not peer.is_asked(case):
        return "–"
    verdict = peer.documented(case)
    if case.name not in peer.differs:
        return str(verdict)
    return f"**{verdict}** {numbers[peer.differs[case.name][1]]}"


def _numbers(peers):
    """The reasons for differences, numbered as they come."""
    reasons = dict.fromkeys(reason for peer in peers for _, reason in peer.differs.values())
    return {reason: number for number, reason in enumerate(reasons, 1)}


def _expected(case):
    return " | ".join("allow" if case.is_allowed(asks) else "deny" for asks in (False, True))


def _words(case):
    return case.name.replace("_", " ")


def _lines(lines):
    return "".join(f"{line}\n" for line in lines)
