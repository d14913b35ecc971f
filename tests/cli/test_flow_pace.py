"""`hub flow status` says when a destination sees fewer calls than it could, and why."""

from datetime import timedelta

from cli.flow import held_back
from hub.pace import HALVED, Pace, Pacing, cut
from tests.fakes import NOW

PACING = Pacing(planned=8, most=8)


def test_nothing_is_said_of_a_destination_at_its_most() -> None:
    assert held_back(Pace(), PACING, NOW) == ""


def test_a_flow_whose_destination_was_overrun_is_held_back_until_its_pace_is_back() -> None:
    pace = cut(Pace(), HALVED, NOW, PACING, NOW)

    assert held_back(pace, PACING, NOW) == "4.0 of 8 calls at once, since 8.0 were too many"
    assert held_back(pace, PACING, NOW + timedelta(minutes=1)) == ""
