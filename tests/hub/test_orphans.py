"""Rows that vanish are told as deleted only where that can be believed, and no more of them than may at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.orphans import Judgement, OrphanLimits, judge

LIMITS = OrphanLimits(max_per_run=5, max_share=0.1)
COUNTS = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("known", "listed", "missing", "judgement", "why"),
    [
        (100, 100, 0, Judgement.NONE, ""),
        (100, 95, 5, Judgement.GO, "5 of 100 rows are listed no more"),
        (100, 94, 6, Judgement.WAIT, "more than the 5 of orphans.max_per_run"),
        (100, 90, 10, Judgement.WAIT, "more than the 5"),
        (100, 89, 11, Judgement.REFUSE, "more than the share of 0.1 that orphans.max_share allows"),
        (3, 0, 3, Judgement.REFUSE, "the source listed nothing at all"),
        (1, 0, 1, Judgement.REFUSE, "the source listed nothing at all"),
    ],
)
def test_what_becomes_of_orphans(known: int, listed: int, missing: int, judgement: Judgement, why: str) -> None:
    verdict = judge(LIMITS, known=known, listed=listed, missing=missing, believed=True)

    assert verdict.judgement is judgement
    assert why in verdict.why


def test_nothing_is_told_as_deleted_unless_the_stream_says_so() -> None:
    verdict = judge(None, known=100, listed=99, missing=1, believed=True)

    assert verdict.judgement is Judgement.REFUSE
    assert "unless the stream states `orphans`" in verdict.why


def test_a_listing_that_contradicts_itself_deletes_nothing() -> None:
    assert judge(LIMITS, known=100, listed=99, missing=1, believed=False).judgement is Judgement.REFUSE


@given(
    known=COUNTS, listed=COUNTS, missing=COUNTS, cap=st.integers(1, 100), share=st.floats(0.01, 1), sure=st.booleans()
)
def test_never_more_than_the_cap_nor_the_share_nor_after_an_empty_listing(
    known: int, listed: int, missing: int, cap: int, share: float, sure: bool
) -> None:
    verdict = judge(OrphanLimits(cap, share), known=known, listed=listed, missing=missing, believed=sure)

    if verdict.judgement is Judgement.GO:
        assert 0 < missing <= min(cap, known * share)
        assert listed > 0
        assert sure
