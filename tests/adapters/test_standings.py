"""Breaker and pace in DynamoDB: read in one call, and of those who met the same trouble one writes."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from adapters.standings import DynamoStandings
from hub.breaker import Breaker, Limits, struck
from hub.errors import LedgerUnavailable
from hub.guard import Standing
from hub.pace import HALVED, Pace, Pacing, cut
from tests.adapters.test_breakers import Unreachable
from tests.fakes import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PACING = Pacing(planned=8, most=8)


def test_a_destination_of_which_nothing_was_written_is_closed_and_at_its_most(
    dynamodb: "DynamoDBClient", table: str
) -> None:
    assert DynamoStandings(dynamodb, table).standing("erp") == Standing(Breaker(), Pace())


def test_a_pace_is_read_as_it_was_written_beside_the_breaker(dynamodb: "DynamoDBClient", table: str) -> None:
    standings = DynamoStandings(dynamodb, table)
    pace = cut(Pace(), HALVED, NOW, PACING, NOW)

    assert standings.write_pace("erp", pace)
    assert standings.write("erp", struck(Breaker(), 5, "503", NOW, Limits()))
    breaker, read = standings.standing("erp")

    assert read == Pace(8, 0.5, NOW, version=1)
    assert breaker == standings.read("erp")
    assert breaker.reason == "503"
    assert standings.standing("other") == Standing(Breaker(), Pace())


def test_functions_that_met_the_same_trouble_cut_the_pace_once(dynamodb: "DynamoDBClient", table: str) -> None:
    standings = [DynamoStandings(dynamodb, table) for _ in range(5)]
    for episode in range(3):
        moment = NOW + timedelta(minutes=episode)
        read = [each.standing("erp").pace for each in standings]

        written = [
            each.write_pace("erp", cut(pace, HALVED, moment, PACING, moment))
            for each, pace in zip(standings, read, strict=True)
        ]

        assert written == [True, False, False, False, False]
        assert standings[4].standing("erp").pace.version == episode + 1


def test_standings_that_cannot_be_reached_are_told_so() -> None:
    client: Any = Unreachable()

    with pytest.raises(LedgerUnavailable, match="EndpointConnectionError"):
        DynamoStandings(client, "table").standing("erp")
    with pytest.raises(LedgerUnavailable):
        DynamoStandings(client, "table").write_pace("erp", Pace())
