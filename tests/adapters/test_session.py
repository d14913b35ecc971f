"""Clients of the functions behind the edge: adapters cannot tell them from botocore's."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError

from adapters.aws_calls import Patience
from adapters.session import Session
from tests.servers.process import free_port
from tests.servers.scripted import Behaviour, answer, hang_up, scripted, stall

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ONCE = Patience(connect_seconds=1.0, read_seconds=0.1, attempts=1)
KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "eu-central-1"}


def dynamodb(url: str) -> Any:
    return Session({**KEYS, "AWS_ENDPOINT_URL": url}).create_client("dynamodb", config=ONCE)


def test_an_operation_is_named_and_asked_as_botocore_does() -> None:
    with scripted([answer(200, b'{"Responses": {}}')]) as server:
        told = dynamodb(server.url).batch_get_item(RequestItems={"t": {"Keys": []}})

    assert told == {"Responses": {}}
    assert server.headers(0)["x-amz-target"] == "DynamoDB_20120810.BatchGetItem"
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"RequestItems": {"t": {"Keys": []}}}


def test_bytes_travel_in_base64_and_come_back_as_bytes() -> None:
    raw = bytes(range(256))
    item = {"entity": {"S": "B"}, "B": {"M": {"B": {"B": base64.b64encode(raw).decode()}}}}
    with scripted([answer(200, json.dumps({"Item": item}).encode()), answer(200)]) as server:
        client = dynamodb(server.url)
        found = client.get_item(TableName="t", Key={})["Item"]
        client.put_item(TableName="t", Item=found)

    assert found["B"] == {"M": {"B": {"B": raw}}}
    assert json.loads(server.requests[1].partition(b"\r\n\r\n")[2])["Item"] == item


def test_a_refusal_is_botocores_with_all_that_it_said() -> None:
    told = {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "cancelled",
        "CancellationReasons": [{"Code": "ConditionalCheckFailed", "Item": {"payload": {"B": "AAE="}}}],
    }
    with scripted([answer(400, json.dumps(told).encode())]) as server, pytest.raises(ClientError) as raised:
        dynamodb(server.url).transact_write_items(TransactItems=[])

    response: Any = raised.value.response
    assert response["Error"] == {"Code": "TransactionCanceledException", "Message": "cancelled"}
    assert response["CancellationReasons"][0]["Item"] == {"payload": {"B": b"\x00\x01"}}
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(("trouble", "kind"), [(stall, ReadTimeoutError), (hang_up, ConnectionClosedError)])
def test_silence_is_botocores(trouble: Behaviour, kind: type[Exception]) -> None:
    with scripted([trouble]) as server, pytest.raises(kind):
        dynamodb(server.url).get_item(TableName="t", Key={})


def test_where_nothing_listens_botocore_could_not_connect_either() -> None:
    with pytest.raises(EndpointConnectionError):
        dynamodb(f"http://127.0.0.1:{free_port()}").get_item(TableName="t", Key={})


def test_threads_have_connections_of_their_own_which_are_kept() -> None:
    with scripted([answer(200)] * 60) as server:
        client = dynamodb(server.url)
        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(lambda _: client.get_item(TableName="t", Key={}), range(60)))

    assert told == [{}] * 60
    assert 1 <= server.connections <= 4


def test_the_table_that_imitated_aws_keeps_is_read_and_written_alike(
    dynamodb: "DynamoDBClient", table: str, aws_url: str
) -> None:
    client = Session({**KEYS, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": aws_url}).create_client(
        "dynamodb", config=ONCE._replace(read_seconds=10.0)
    )
    item: Any = {"entity": {"S": "e"}, "record": {"S": "r"}, "payload": {"B": b"\x00\xff"}}
    absent = "attribute_not_exists(entity)"

    client.put_item(TableName=table, Item=item, ConditionExpression=absent)
    with pytest.raises(ClientError) as ours:
        client.put_item(TableName=table, Item=item, ConditionExpression=absent)
    with pytest.raises(ClientError) as theirs:
        dynamodb.put_item(TableName=table, Item=item, ConditionExpression=absent)

    key = {"entity": {"S": "e"}, "record": {"S": "r"}}
    assert client.get_item(TableName=table, Key=key)["Item"] == dynamodb.get_item(TableName=table, Key=key)["Item"]
    assert ours.value.response["Error"] == theirs.value.response["Error"]


def test_what_is_not_ours_is_botocores_and_made_at_its_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.session

    made: list[str] = []
    before = botocore.session.Session.create_client

    def noted(self: Any, name: str, **stated: Any) -> Any:
        made.append(name)
        return before(self, name, **stated)

    monkeypatch.setattr(botocore.session.Session, "create_client", noted)
    session = Session({**KEYS})
    topics, table = session.create_client("sns", config=ONCE), session.create_client("dynamodb", config=ONCE)
    at_first = list(made)

    assert topics.meta.config.retries["total_max_attempts"] == 1
    assert table.get_paginator("query")
    assert topics.meta.service_model.service_name == "sns"
    assert (at_first, made) == ([], ["sns", "dynamodb"])
