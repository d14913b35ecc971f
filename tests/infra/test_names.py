"""Names that one part of the hub gives and another looks for."""

import json

import pytest

from adapters.telemetry import Telemetry
from hub import names
from hub.names import FlowsByDeadLetterQueue
from tests.fakes import NOW


def test_a_dead_letter_queues_name_says_its_flow() -> None:
    flows = FlowsByDeadLetterQueue("staging")

    assert flows[names.dead_letter_queue("staging", "shop-eu-to-erp")] == "shop-eu-to-erp"


@pytest.mark.parametrize(
    "queue",
    [
        "hub-staging-shop-to-erp.fifo",  # a flow's own queue
        "hub-production-shop-to-erp-dead.fifo",  # of another stage
        "hub-staging--dead.fifo",
        "hub-staging-dead.fifo",
        "something-else",
    ],
)
def test_other_queues_have_no_flow(queue: str) -> None:
    with pytest.raises(KeyError):
        FlowsByDeadLetterQueue("staging")[queue]


def test_alarms_watch_the_namespace_that_functions_count_in(capsys: pytest.CaptureFixture[str]) -> None:
    Telemetry("namespace", {"stage": "x"}, lambda: NOW).report("told", {}, {"Things": 1})

    (directive,) = json.loads(capsys.readouterr().out)["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == names.METRICS_NAMESPACE
