"""The stage that a command speaks to: its configuration, its AWS, and the names of what is deployed there."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import boto3
import typer
from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from cli.failure import Failed
from connectors import manifest_path
from hub import names
from hub.config import Config, Integration
from hub.manifest import Manifest, read_manifest
from infra.configuration import load, load_stage
from infra.local.running import LOCAL_REGION, local_aws_url, local_credentials

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

LOCAL = "local"
PATIENCE = ClientConfig(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 3, "mode": "standard"})
QUICK = ClientConfig(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1, "mode": "standard"})

StageOption = Annotated[
    str | None, typer.Option("--stage", envvar="HUB_STAGE", help="The stage: a file config/<stage>.yaml.")
]
ConfigOption = Annotated[Path | None, typer.Option("--config", help="The configuration, if it is another file.")]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage and how its AWS is reached. `endpoint` is None for the real one."""

    config: Config
    session: boto3.Session
    endpoint: str | None

    @property
    def name(self) -> str:
        """The stage's name, which every deployed name contains."""
        return self.config.stage

    def integration(self, name: str) -> Integration:
        """The configuration of an integration; raises Failed that lists the known ones."""
        if name not in self.config.integrations:
            known = ", ".join(sorted(self.config.integrations))
            raise Failed(f"Stage {self.name} has no integration {name!r}; it has: {known}.")
        return self.config.integrations[name]

    def manifest(self, integration: str) -> Manifest:
        """The manifest of an integration's connector."""
        return read_manifest(manifest_path(self.integration(integration).connector))

    def secret_id(self, integration: str) -> str:
        """The name of an integration's secret in Secrets Manager."""
        return names.secret(self.name, integration)

    def secrets(self) -> "SecretsManagerClient":
        """Secrets Manager of the stage."""
        return cast("SecretsManagerClient", self._client("secretsmanager"))

    def dynamodb(self) -> "DynamoDBClient":
        """DynamoDB of the stage."""
        return cast("DynamoDBClient", self._client("dynamodb"))

    def sqs(self) -> "SQSClient":
        """SQS of the stage."""
        return cast("SQSClient", self._client("sqs"))

    def s3(self) -> "S3Client":
        """S3 of the stage."""
        return cast("S3Client", self._client("s3"))

    def lambda_(self) -> "LambdaClient":
        """Lambda of the stage."""
        return cast("LambdaClient", self._client("lambda"))

    def cloudwatch(self) -> "CloudWatchClient":
        """The metrics of the stage."""
        return cast("CloudWatchClient", self._client("cloudwatch"))

    def logs(self) -> "CloudWatchLogsClient":
        """The logs of the stage."""
        return cast("CloudWatchLogsClient", self._client("logs"))

    def sns(self) -> "SNSClient":
        """SNS of the stage."""
        return cast("SNSClient", self._client("sns"))

    def scheduler(self) -> Any:
        """EventBridge Scheduler of the stage."""
        return self._client("scheduler")

    def account_id(self) -> str:
        """The number of the AWS account that the stage is in."""
        return str(self._client("sts").get_caller_identity()["Account"])

    def caller(self) -> str:
        """Whom AWS takes the caller for, as an ARN."""
        return str(self._client("sts").get_caller_identity()["Arn"])

    def outputs(self) -> dict[str, str]:
        """What the stage's stack tells about itself; raises Failed where it is not deployed."""
        client = cast("CloudFormationClient", self._client("cloudformation"))
        stack = names.stack(self.name)
        try:
            found = client.describe_stacks(StackName=stack)["Stacks"]
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ValidationError":
                raise Failed(f"Stack {stack} is not deployed: {self.how_to_deploy()}.") from error
            raise
        return {each["OutputKey"]: each["OutputValue"] for each in found[0].get("Outputs", [])}

    def how_to_deploy(self) -> str:
        """The command that brings the stage into being."""
        return "start it with `make run`" if self.endpoint else f"deploy it with `make deploy STAGE={self.name}`"

    def _client(self, service: str) -> Any:
        if self.endpoint is None:
            return self.session.client(service, config=PATIENCE)  # type: ignore[call-overload]
        return self.session.client(service, endpoint_url=self.endpoint, config=QUICK)  # type: ignore[call-overload]


def open_stage(stage: str | None, config: Path | None) -> Stage:
    """The stage by its name or its configuration; raises ConfigurationError or Failed. Nothing is called yet.

    The local stage is reached with the local AWS's own keys, never with a person's: it cannot touch an account.
    """
    settings = settings_of(stage, config)
    if settings.stage == LOCAL:
        session = boto3.Session(region_name=LOCAL_REGION, **local_credentials())  # type: ignore[arg-type]
        return Stage(settings, session, local_aws_url())
    return Stage(settings, boto3.Session(region_name=settings.region), None)


def settings_of(stage: str | None, config: Path | None) -> Config:
    """The configuration that the two options mean; raises ConfigurationError or Failed."""
    if config is None:
        return load_stage(stage or LOCAL)
    settings = load(config)
    if stage and settings.stage != stage:
        raise Failed(
            f"{config} describes stage {settings.stage!r}, not {stage!r}: drop --stage or name the other file."
        )
    return settings
