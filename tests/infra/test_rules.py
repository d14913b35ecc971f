"""cdk-nag's AWS Solutions rules hold, and each exception is one that somebody argued."""

import json
from pathlib import Path

import pytest

from hub.config import Config
from tests.infra.templates import Templates

pytestmark = pytest.mark.slow

PREFIX = "Annotation::"


def exceptions(templates: Templates) -> dict[str, set[str]]:
    """Rule → the reasons for which it does not hold somewhere."""
    metadata = json.loads((templates.folder / f"{templates.stack}.metadata.json").read_text())
    found: dict[str, set[str]] = {}
    for entries in metadata.values():
        for entry in entries:
            if entry["type"] == "aws:cdk:acknowledged-rules":
                for rule, reason in entry["data"].items():
                    found.setdefault(rule.removeprefix(PREFIX), set()).add(reason)
    return found


def test_production_breaks_no_rule_and_excepts_only_what_is_argued(production: Templates) -> None:
    assert set(exceptions(production)) == {
        "AwsSolutions-APIG1",
        "AwsSolutions-APIG4",
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:sqs:eu-central-1:<AWS::AccountId>:hub-production-*-dead.fifo]",
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:sqs:eu-central-1:<AWS::AccountId>:hub-production-*.fifo]",
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:s3:::hub-production-bodies-<AWS::AccountId>-eu-central-1/bodies/*]",
        "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:lambda:eu-central-1:<AWS::AccountId>:event-source-mapping:*]",
        "AwsSolutions-IAM5[Resource::*]",
        "AwsSolutions-L1",
        "AwsSolutions-S1",
        "AwsSolutions-SMG4",
        "AwsSolutions-SQS3",
    }


def test_every_exception_has_one_reason_of_a_sentences_length(production: Templates) -> None:
    for rule, reasons in exceptions(production).items():
        assert len(reasons) == 1, rule
        assert all(len(reason) > 40 for reason in reasons), rule


def test_the_local_stage_excepts_nothing_more_than_tls(production: Templates, local: Templates) -> None:
    more = {
        rule.replace("<AWS::Region>", "eu-central-1").replace("-local-", "-production-") for rule in exceptions(local)
    }

    assert more - set(exceptions(production)) == {
        "AwsSolutions-S10",
        "AwsSolutions-SQS4",
        "AwsSolutions-SNS3",
    }


def test_a_broken_rule_fails_the_synthesis(production: Templates, example: Config, code: Path, tmp_path: Path) -> None:
    import aws_cdk as cdk
    from aws_cdk import aws_sqs as sqs

    from infra.app import compose

    app = cdk.App(outdir=str(tmp_path))
    sqs.Queue(compose(app, example, code), "OpenToPlainHttp")

    with pytest.raises(RuntimeError, match=r"(?s)ValidationFailed.*AwsSolutions-SQS4"):
        app.synth()
