"""IAM is enforced: each function has the rights that it uses and no others, and without them it does not work."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from hub import names
from infra.local.ministack import ACCOUNT
from infra.local.running import LOCAL_REGION
from tests.local_aws.hub import FLOW, INTEGRATION, OTHER_FLOW, STAGE, WITH_TOKEN, LocalHub, an_order, wait_for

WEBHOOK = names.webhook_function(STAGE, INTEGRATION)
WITH_TOKENS = names.webhook_function(STAGE, WITH_TOKEN)
DELIVERY = names.delivery_function(STAGE, FLOW)
DLQ = names.dlq_function(STAGE)
BREAKER = names.breaker_function(STAGE, "erp")
LEDGER = names.ledger_table(STAGE)
BODIES = names.bodies_bucket(STAGE, ACCOUNT, LOCAL_REGION)
HEAD = {"entity": {"S": "nobody"}, "record": {"S": "none#"}}
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}  # the last one is SNS's
Call = Callable[[Callable[[str], Any], LocalHub], Any]


def send(queue: str) -> Call:
    def call(client: Callable[[str], Any], hub: LocalHub) -> Any:
        return client("sqs").send_message(
            QueueUrl=hub.queue_url(queue), MessageBody="{}", MessageGroupId="x", MessageDeduplicationId="x"
        )

    return call


def receive(queue: str) -> Call:
    return lambda client, hub: client("sqs").receive_message(QueueUrl=hub.queue_url(queue))


def purge(queue: str) -> Call:
    return lambda client, hub: client("sqs").purge_queue(QueueUrl=hub.queue_url(queue))


def read_secret(integration: str) -> Call:
    secret = names.secret(STAGE, integration)
    return lambda client, _: client("secretsmanager").get_secret_value(SecretId=secret)


def write_secret(integration: str) -> Call:
    secret = names.secret(STAGE, integration)
    return lambda client, _: client("secretsmanager").put_secret_value(SecretId=secret, SecretString="{}")


def hide_batch(client: Callable[[str], Any], hub: LocalHub) -> Any:
    """SQS checks the right of the single call; the receipt is none, so nothing is hidden."""
    entries = [{"Id": "0", "ReceiptHandle": "none", "VisibilityTimeout": 1}]
    queue = hub.queue_url(names.queue(STAGE, FLOW))
    return client("sqs").change_message_visibility_batch(QueueUrl=queue, Entries=entries)


def put(client: Callable[[str], Any], _: LocalHub) -> Any:
    return client("dynamodb").put_item(TableName=LEDGER, Item=HEAD)


def keep_token(integration: str) -> Call:
    item = {"entity": {"S": f"{integration}/token/x"}, "record": {"S": "token"}}
    return lambda client, _: client("dynamodb").put_item(TableName=LEDGER, Item=item)


def put_object(key: str) -> Call:
    return lambda client, _: client("s3").put_object(Bucket=BODIES, Key=key, Body=b"x")


def get_body(client: Callable[[str], Any], hub: LocalHub) -> Any:
    hub.aws.client("s3").put_object(Bucket=BODIES, Key="bodies/there", Body=b"x")
    return client("s3").get_object(Bucket=BODIES, Key="bodies/there")


def delete_body(client: Callable[[str], Any], _: LocalHub) -> Any:
    return client("s3").delete_object(Bucket=BODIES, Key="bodies/there")


def list_bodies(client: Callable[[str], Any], _: LocalHub) -> Any:
    return client("s3").list_objects_v2(Bucket=BODIES)


def delete(client: Callable[[str], Any], _: LocalHub) -> Any:
    return client("dynamodb").delete_item(TableName=LEDGER, Key=HEAD)


def take_off(client: Callable[[str], Any], _: LocalHub) -> Any:
    return client("dynamodb").delete_item(TableName=LEDGER, Key={**HEAD, "entity": {"S": names.parked("erp")}})


def scan(client: Callable[[str], Any], _: LocalHub) -> Any:
    return client("dynamodb").scan(TableName=LEDGER)


def tell(client: Callable[[str], Any], _: LocalHub) -> Any:
    topic = f"arn:aws:sns:{LOCAL_REGION}:{ACCOUNT}:{names.alarms_topic(STAGE)}"
    return client("sns").publish(TopicArn=topic, Message="x")


FORBIDDEN: list[tuple[str, str, Call]] = [
    (WEBHOOK, "send to another shop's queue", send(names.queue(STAGE, OTHER_FLOW))),
    (WEBHOOK, "receive from its own queue", receive(names.queue(STAGE, FLOW))),
    (WEBHOOK, "send to the dead letter queue", send(names.dead_letter_queue(STAGE, FLOW))),
    (WEBHOOK, "read ERPNext's keys", read_secret("erp")),
    (WEBHOOK, "read another shop's secret", read_secret("shop-us")),
    (WEBHOOK, "change its own secret", write_secret(INTEGRATION)),
    (WEBHOOK, "write to the ledger", put),
    (WEBHOOK, "remember a token, which this integration does not ask for", keep_token(INTEGRATION)),
    (WEBHOOK, "read a large body", get_body),
    (WEBHOOK, "put something else than bodies into the bucket", put_object("else/x")),
    (WEBHOOK, "list the bucket", list_bodies),
    (DELIVERY, "send to its own queue", send(names.queue(STAGE, FLOW))),
    (DELIVERY, "receive from another flow's queue", receive(names.queue(STAGE, OTHER_FLOW))),
    (DELIVERY, "purge its queue", purge(names.queue(STAGE, FLOW))),
    (DELIVERY, "read a shop's secret", read_secret(INTEGRATION)),
    (DELIVERY, "change ERPNext's keys", write_secret("erp")),
    (DELIVERY, "delete from the ledger", delete),
    (DELIVERY, "scan the ledger", scan),
    (DELIVERY, "tell operators", tell),
    (DELIVERY, "write a large body", put_object("bodies/x")),
    (DELIVERY, "delete a large body", delete_body),
    (DLQ, "read a shop's secret", read_secret(INTEGRATION)),
    (DLQ, "read ERPNext's keys", read_secret("erp")),
    (DLQ, "receive from a flow's queue", receive(names.queue(STAGE, FLOW))),
    (DLQ, "scan the ledger", scan),
    (DLQ, "delete from the ledger", delete),
    (BREAKER, "receive from a flow's queue", receive(names.queue(STAGE, FLOW))),
    (BREAKER, "scan the ledger", scan),
    (BREAKER, "read a shop's secret", read_secret(INTEGRATION)),
]
ALLOWED: list[tuple[str, str, Call]] = [
    (WEBHOOK, "read its own secret", read_secret(INTEGRATION)),
    (WEBHOOK, "keep a large body", put_object("bodies/x")),
    # that it may keep nothing else there rests on dynamodb:LeadingKeys, which only AWS itself enforces
    (WITH_TOKENS, "remember its token", keep_token(WITH_TOKEN)),
    (DELIVERY, "read ERPNext's keys", read_secret("erp")),
    (DELIVERY, "hide messages of its queue", hide_batch),
    (DELIVERY, "read a large body", get_body),
    (DLQ, "tell operators", tell),
    (BREAKER, "take something off the list of what is parked", take_off),
]


@pytest.fixture
def as_function(hub: LocalHub) -> Callable[[str], Callable[[str], Any]]:
    """Clients with the credentials of a function's role."""

    def clients(function: str) -> Callable[[str], Any]:
        role = hub.aws.client("lambda").get_function_configuration(FunctionName=function)["Role"]
        given = hub.aws.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
        session = boto3.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=LOCAL_REGION,
        )
        return lambda service: session.client(service, endpoint_url=hub.aws.endpoint)  # type: ignore[call-overload]

    return clients


@pytest.mark.parametrize(("function", "what", "call"), FORBIDDEN, ids=[f"{f} may not {w}" for f, w, _ in FORBIDDEN])
def test_a_right_that_a_function_does_not_have(
    hub: LocalHub, as_function: Callable[[str], Callable[[str], Any]], function: str, what: str, call: Call
) -> None:
    with pytest.raises(ClientError) as refused:
        call(as_function(function), hub)

    assert refused.value.response["Error"]["Code"] in DENIED


@pytest.mark.parametrize(("function", "what", "call"), ALLOWED, ids=[f"{f} may {w}" for f, w, _ in ALLOWED])
def test_a_right_that_a_function_has(
    hub: LocalHub, as_function: Callable[[str], Callable[[str], Any]], function: str, what: str, call: Call
) -> None:
    """Without it, the refusals above could be due to credentials that may do nothing at all."""
    assert call(as_function(function), hub)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_webhook_function_without_its_rights_acknowledges_nothing(hub: LocalHub) -> None:
    body = an_order()
    with without_rights(hub, WEBHOOK):
        refused = hub.deliver("orders/create", body)
    nothing = (hub.ends(f"order/{body['id']}"), hub.waiting())

    again = hub.end_of(f"order/{body['id']}", hub.deliver("orders/create", body))

    assert refused.status == 503  # so that the shop sends it again
    assert nothing == ([], 0)
    assert again.outcome == "applied"


def test_a_delivery_function_without_its_ledger_ends_nothing_and_loses_nothing(hub: LocalHub) -> None:
    body = an_order()
    with without_rights(hub, DELIVERY, keeping="sqs:"):
        answer = hub.deliver("orders/create", body)
        wait_for(lambda: hub.times_hidden(DELIVERY, body["id"]) >= 2 or None, "it was not tried again")
        before = (hub.waiting(), hub.ends(f"order/{body['id']}"), hub.orders(body["id"]))
    end = hub.end_of(f"order/{body['id']}", answer)

    assert before == (1, [], [])
    assert end.outcome == "applied"
    assert end.attempts > 2
    assert len(hub.orders(body["id"])) == 1


@contextmanager
def without_rights(hub: LocalHub, function: str, keeping: str = "logs:") -> Iterator[None]:
    """Within: a function's role has only those rights whose actions start with `keeping`."""
    iam = hub.aws.client("iam")
    role = hub.aws.client("lambda").get_function_configuration(FunctionName=function)["Role"].rsplit("/", 1)[-1]
    policies = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    for name, policy in policies.items():
        document = json.loads(policy) if isinstance(policy, str) else policy
        kept = [each for each in document["Statement"] if str(each["Action"]).strip("['\"").startswith(keeping)]
        iam.put_role_policy(
            RoleName=role, PolicyName=name, PolicyDocument=json.dumps({**document, "Statement": kept or [_nothing()]})
        )
    try:
        yield
    finally:
        for name, policy in policies.items():
            text = policy if isinstance(policy, str) else json.dumps(policy)
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=text)


def _nothing() -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "sts:GetCallerIdentity", "Resource": "*"}  # a policy needs a statement
