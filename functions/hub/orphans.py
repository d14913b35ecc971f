"""Orphans: rows that a source listed before and lists no more. When they may be taken for deleted, and when not."""

from dataclasses import dataclass
from enum import StrEnum


class Judgement(StrEnum):
    """What is to become of the orphans of one comparison."""

    NONE = "none"  # there are none
    GO = "go"  # they are told as deleted
    WAIT = "wait"  # for a person
    REFUSE = "refuse"  # the listing cannot be believed that much


@dataclass(frozen=True, slots=True)
class OrphanLimits:
    """How many rows may vanish before it is taken for a mistake."""

    max_per_run: int = 50  # more of them wait for a person
    max_share: float = 0.1  # of the rows known; where more are missing, the listing is not believed


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judgement and its reason, as a sentence."""

    judgement: Judgement
    why: str = ""


def judge(limits: OrphanLimits | None, *, known: int, listed: int, missing: int, believed: bool) -> Verdict:
    """Whether rows that are missing may be told as deleted. `known` rows were there before, `listed` are now, and
    `believed` says whether the listing agreed with itself."""
    if not missing:
        return Verdict(Judgement.NONE)
    found = f"{missing:,} of {known:,} rows are listed no more"
    if limits is None:
        return Verdict(Judgement.REFUSE, f"{found}; nothing is done with them unless the stream states `orphans`")
    if not listed:
        return Verdict(Judgement.REFUSE, f"{found}: the source listed nothing at all, which is not believed")
    if not believed:
        return Verdict(Judgement.REFUSE, f"{found}, but the source listed them differently each time it was asked")
    if missing > known * limits.max_share:
        share = f"more than the share of {limits.max_share:g} that orphans.max_share allows"
        return Verdict(Judgement.REFUSE, f"{found}, {share}: look at the source, or raise it")
    if missing > limits.max_per_run:
        return Verdict(Judgement.WAIT, f"{found}, more than the {limits.max_per_run:,} of orphans.max_per_run")
    return Verdict(Judgement.GO, found)
