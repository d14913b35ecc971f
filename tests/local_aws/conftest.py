"""Deploys the hub once per session: the synthesized app, on a local AWS that enforces IAM, before an ERPNext stand-in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from hub import names
from infra.configuration import CONFIG, load_stage
from infra.local.deploy import deploy
from infra.local.environment import with_erp_port
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.ministack import MiniStack
from infra.local.running import local_api_url
from infra.local.secrets import store_local_secrets
from infra.local.stand_in import TOKEN, set_up, stock
from infra.local.synthesis import synthesize
from infra.local.warm_up import warm_up
from tests.local_aws.hub import (
    FLOW,
    FORGE,
    INTEGRATION,
    OTHER_FLOW,
    OTHER_INTEGRATION,
    STAGE,
    WITH_TOKEN,
    WITHOUT_SECRET,
    LocalHub,
)

RETRY = {"base_seconds": 0.5, "cap_seconds": 2, "give_up_after_hours": 0.1}  # a test cannot wait for minutes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder runs on the local AWS."""
    folder = Path(__file__).parent
    for item in items:
        if folder in item.path.parents:
            item.add_marker(pytest.mark.local_aws)


@pytest.fixture(scope="session")
def config_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped local configuration with three shops and a forge more, and short waits."""
    folder = tmp_path_factory.mktemp("config")
    content: dict[str, Any] = yaml.safe_load((CONFIG / f"{STAGE}.yaml").read_text())
    flow = content["flows"][FLOW] | {"retry": RETRY}
    for shop in (OTHER_INTEGRATION, WITHOUT_SECRET, WITH_TOKEN):
        content["integrations"][shop] = content["integrations"][INTEGRATION] | {"account": f"{shop}.myshopify.com"}
    content["flows"] = {
        FLOW: flow,
        OTHER_FLOW: flow | {"source": OTHER_INTEGRATION},
        f"{WITHOUT_SECRET}-to-erp": flow | {"source": WITHOUT_SECRET},
        f"{WITH_TOKEN}-to-erp": flow | {"source": WITH_TOKEN},
        f"{FORGE}-to-erp": flow | {"source": FORGE},
    }
    content["integrations"][FORGE] = {"connector": "github", "allowed_addresses": ["127.0.0.0/8", "published"]}
    content["integrations"]["erp"] |= {"breaker": {"first_probe_seconds": 1, "longest_probe_seconds": 1}}
    content["integrations"][WITH_TOKEN]["token_header"] = "X-Token"
    (folder / f"{STAGE}.yaml").write_text(yaml.safe_dump(content))
    return folder


@pytest.fixture(scope="session")
def erp() -> Iterator[ErpNextStandIn]:
    with ErpNextStandIn(token=TOKEN) as running:
        stock(running.url)
        yield running


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, config_folder: Path, erp: ErpNextStandIn) -> Iterator[LocalHub]:
    """The hub, deployed, set up and warm."""
    folder = tmp_path_factory.mktemp("local-aws")
    config = with_erp_port(load_stage(STAGE, config_folder), urlsplit(erp.url).port or 0, config_folder)
    assembly = synthesize(STAGE, folder / "assembly", config_folder)
    with MiniStack(folder / "aws", port=0, enforce_iam=True) as aws:
        outputs = deploy(aws, assembly)
        store_local_secrets(aws.client("secretsmanager"), config, {"erp"})
        aws.client("secretsmanager").put_secret_value(SecretId=names.secret(STAGE, WITHOUT_SECRET), SecretString="{}")
        set_up(erp.url)
        warm_up(aws, STAGE)
        yield LocalHub(
            aws, erp, local_api_url(aws.endpoint, outputs["ApiId"]), _subscribed(aws, outputs["AlarmsTopic"])
        )


@pytest.fixture(autouse=True)
def leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test ends with ERPNext well and the queues empty, so that none of them explains another's failure."""
    yield
    if "hub" in request.fixturenames:
        hub: LocalHub = request.getfixturevalue("hub")
        hub.erp.behave()
        hub.settle()


def _subscribed(aws: MiniStack, topic: str) -> str:
    """The URL of a queue that gets what operators are told."""
    sqs = aws.client("sqs")
    url: str = sqs.create_queue(QueueName="operators")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        ]
    }  # fmt: skip
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url
