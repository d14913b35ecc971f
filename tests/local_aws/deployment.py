"""The hub on a local AWS of its own: the synthesized app, with IAM enforced, before an ERPNext stand-in."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hub import names
from infra.configuration import load_stage
from infra.local.deploy import deploy
from infra.local.environment import with_erp_port
from infra.local.erpnext.server import ErpNextStandIn
from infra.local.ministack import MiniStack
from infra.local.running import local_api_url
from infra.local.secrets import store_local_secrets
from infra.local.stand_in import set_up
from infra.local.synthesis import synthesize
from infra.local.warm_up import warm_up
from tests.local_aws.hub import INTEGRATION, STAGE, WITHOUT_SECRET, LocalHub

ADMIN_TOKEN = "shpat_of_the_made_up_store"


@contextmanager
def deployed(folder: Path, config_folder: Path, erp: ErpNextStandIn) -> Iterator[LocalHub]:
    """The hub of the configuration in `config_folder`, deployed, set up and warm; everything is gone afterwards but the
    files in `folder`."""
    config = with_erp_port(load_stage(STAGE, config_folder), urlsplit(erp.url).port or 0, config_folder)
    assembly = synthesize(STAGE, folder / "assembly", config_folder)
    with MiniStack(folder / "aws", port=0, enforce_iam=True) as aws:
        outputs = deploy(aws, assembly)
        store_local_secrets(aws.client("secretsmanager"), config, {"erp"})
        if WITHOUT_SECRET in config.integrations:
            aws.client("secretsmanager").put_secret_value(
                SecretId=names.secret(STAGE, WITHOUT_SECRET), SecretString="{}"
            )
        if config.integrations[INTEGRATION].streams:
            _add_admin_token(aws.client("secretsmanager"), names.secret(STAGE, INTEGRATION))
        set_up(erp.url)
        warm_up(aws, STAGE)
        yield LocalHub(
            aws, erp, local_api_url(aws.endpoint, outputs["ApiId"]), _subscribed(aws, outputs["AlarmsTopic"])
        )


def _add_admin_token(client: Any, secret_id: str) -> None:
    values = json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])
    client.put_secret_value(SecretId=secret_id, SecretString=json.dumps(values | {"admin_token": ADMIN_TOKEN}))


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
