"""The short form of `make faults SUITE=sync`: sources misbehave, functions die, and every row is where it belongs."""

from collections.abc import Iterator

import pytest
from moto import mock_aws

from tests.faults.sync import report, run
from tests.faults.sync_world import SyncWorld

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def imitated_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        yield


@pytest.mark.parametrize("seed", [21, 22])
def test_every_row_is_where_it_belongs_once_and_accounted_for(seed: int) -> None:
    world, found = run(seed, quarters=28)

    assert found.good, report(world, found)
    assert len(world.struck) > 15, "the faults did not strike"


def test_the_judge_sees_rows_that_were_lost_and_deleted_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that forgets what it took, and a destination that forgets what it was told, are not called good."""
    deliver = SyncWorld.deliver

    def forgetful(self: SyncWorld) -> None:
        kept = self.queue.messages.items()
        self.queue.messages = {key: each for key, each in kept if "keyset" not in each.group}
        deliver(self)
        self.destination.rows.pop(next((key for key in self.destination.rows if key.startswith("page/")), ""), None)

    monkeypatch.setattr(SyncWorld, "deliver", forgetful)

    _, found = run(21, quarters=3)

    assert not found.good
    assert {"keyset", "page"} <= {key.split("/")[0] for key in found.lost}
    assert found.unaccounted
