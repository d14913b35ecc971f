"""The short form of `make faults`: everything goes wrong at once, and every event ends once, in order."""

import pytest
from moto import mock_aws

from tests.faults.run import report, run
from tests.faults.world import World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", [11, 12])
def test_nothing_is_lost_doubled_misordered_or_unaccounted(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with mock_aws():
        world, story, found = run(seed, events=200, entities=25)

    assert found.good, report(world, story, found)
    assert len(world.struck) > 15, "the faults did not strike"


def test_the_judge_sees_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """A world that forgets what it queued is not called good."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    deliver = World.deliver

    def forgetful(self: World) -> bool:
        self.queue.messages = [m for m in self.queue.messages if "1003" not in m.group]
        return deliver(self)

    monkeypatch.setattr(World, "deliver", forgetful)
    with mock_aws():
        _, _, found = run(11, events=60, entities=10, outages=False)

    assert found.lost == ["order 1003"]
    assert found.unaccounted
