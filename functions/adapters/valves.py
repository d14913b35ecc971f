"""Lambda's event source mappings: whether, and by how many functions, a flow's queue is read."""

from typing import TYPE_CHECKING

from adapters.refusals import aws_errors, reason
from hub import names
from hub.errors import Temporary

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import EventSourceMappingConfigurationResponseTypeDef as Mapped

PAUSE = "pause"
READING = {"Enabled", "Enabling", "Updating"}


class LambdaValves:
    """The mappings of a stage's flows' queues to their delivery functions."""

    def __init__(self, client: "LambdaClient", ledger: "DynamoDBClient", table: str, stage: str) -> None:
        self._client = client
        self._ledger = ledger
        self._table = table
        self._stage = stage

    def set(self, flow: str, *, enabled: bool, max_concurrency: int) -> bool:
        """Read a flow's queue or not; says whether that is a change. A flow that an operator paused stays paused."""
        mapping = self.mapping(flow)
        enabled = enabled and not self.paused_by(flow)
        is_on = mapping.get("State") in READING
        same_speed = mapping.get("ScalingConfig", {}).get("MaximumConcurrency") == max_concurrency
        if is_on == enabled and (same_speed or not enabled):
            return False
        try:
            self._client.update_event_source_mapping(
                UUID=mapping["UUID"], Enabled=enabled, ScalingConfig={"MaximumConcurrency": max_concurrency}
            )
        except aws_errors() as error:
            raise Temporary(f"the reading of {flow} could not be changed: {reason(error)}") from error
        return True

    def is_read(self, flow: str) -> bool:
        """Whether a flow's queue is read."""
        return self.mapping(flow).get("State") in READING

    def mapping(self, flow: str) -> "Mapped":
        """The mapping of a flow's queue; raises Temporary where AWS does not tell."""
        try:
            function = names.delivery_function(self._stage, flow)
            found = self._client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
        except aws_errors() as error:
            raise Temporary(f"the reading of {flow} could not be looked up: {reason(error)}") from error
        if not found:
            raise Temporary(f"nothing reads the queue of {flow}: deploy the stage again")
        return found[0]  # type: ignore[return-value]  # the list's element and the single answer are the same shape

    def paused_by(self, flow: str) -> str:
        """Who paused a flow by hand, and why; "" if nobody did."""
        try:
            item = self._ledger.get_item(TableName=self._table, Key=pause_key(flow), ConsistentRead=True).get("Item")
        except aws_errors() as error:
            raise Temporary(f"whether {flow} is paused could not be read: {reason(error)}") from error
        return f"{item['by']['S']}: {item['reason']['S']}" if item else ""


def pause_key(flow: str) -> dict[str, dict[str, str]]:
    """The key of an operator's pause."""
    return {"entity": {"S": f"flow/{flow}"}, "record": {"S": PAUSE}}


def wake(client: "LambdaClient", function: str) -> None:
    """Let a breaker's function run now instead of within the minute; where that fails it runs within the minute."""
    try:
        client.invoke(FunctionName=function, InvocationType="Event", Payload=b"{}")
    except aws_errors():
        return
