"""The edge: one HTTP API, and for each integration that sends one webhook Lambda behind its own throttled route."""

import json
import math
from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, IDependable

from hub import names
from hub.config import Config, Integration
from hub.settings import WebhookSettings
from hub.webhook_spec import WebhookSpec
from infra.bundle import webhook_kind
from infra.credentials import may_read_secret
from infra.flow import Destinations, Flow, longest_queue_url
from infra.functions import HubFunction, Runtime
from infra.rules import accept

MEMORY_MB = 512
STAGE = "$default"  # served at the root of the API's URL
# Who called stays out: no address, no agent, no path (anybody can write anything there), no header.
ACCESS_LOG = {
    "request": "$context.requestId",
    "time": "$context.requestTimeEpoch",
    "route": "$context.routeKey",
    "status": "$context.status",
    "milliseconds": "$context.responseLatency",
    "lambda_milliseconds": "$context.integrationLatency",
    "lambda_status": "$context.integrationStatus",
    "bytes": "$context.responseLength",
    "error": "$context.error.responseType",
}
MAX_INTEGRATION_SECONDS = (
    30  # HTTP APIs: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
)


def routes(integration: str, spec: WebhookSpec) -> list[str]:
    """The route keys of an integration: its path with each method that its provider uses."""
    return [f"{method} {names.webhook_path(integration)}" for method in spec.methods]


class Api(Construct):
    """The HTTP API. Whatever is not the route of a configured integration is answered 404 without calling a function."""

    def __init__(self, scope: Construct, construct_id: str, stage: str) -> None:
        super().__init__(scope, construct_id)
        self.api = apigateway.CfnApi(self, "Api", name=names.stack(stage), protocol_type="HTTP")
        self.api_id = self.api.ref
        self.url = self.api.attr_api_endpoint
        self._stage = stage

    def open(self, config: Config, route_keys: Sequence[str], after: Sequence[IDependable]) -> None:
        """Publish the routes, each with a throttle of its own, once they exist."""
        throttle = {
            "ThrottlingRateLimit": config.webhook_requests_per_second,
            "ThrottlingBurstLimit": config.webhook_burst,
        }
        stage = apigateway.CfnStage(
            self,
            "Stage",
            api_id=self.api_id,
            stage_name=STAGE,
            auto_deploy=True,
            access_log_settings=self._access_log() if config.access_log else None,
            default_route_settings=apigateway.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=config.webhook_requests_per_second, throttling_burst_limit=config.webhook_burst
            ),
            route_settings=dict.fromkeys(sorted(route_keys), throttle),
        )
        for each in after:  # API Gateway refuses settings for a route that does not exist
            stage.node.add_dependency(each)
        if not config.access_log:
            accept(
                stage,
                "AwsSolutions-APIG1",
                "an HTTP API logs every request or none, so strangers would fill the log at their pace; the functions "
                "log each accepted delivery and a sample of the refused ones, and CloudWatch counts all requests",
            )

    def _access_log(self) -> apigateway.CfnStage.AccessLogSettingsProperty:
        log_group = logs.LogGroup(
            self,
            "AccessLog",
            # API Gateway may write to this prefix without an entry per log group in a policy of limited size
            log_group_name=f"/aws/vendedlogs/{names.stack(self._stage)}-access",
            retention=logs.RetentionDays.TWO_WEEKS,  # strangers cause these lines, so they are kept briefly
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        return apigateway.CfnStage.AccessLogSettingsProperty(
            destination_arn=log_group.log_group_arn, format=json.dumps(ACCESS_LOG)
        )


class Webhook(Construct):
    """The webhook Lambda of one integration and its routes."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        runtime: Runtime,
        *,
        integration: str,
        shared: Destinations,
        spec: WebhookSpec,
        flows: Sequence[Flow],
        api_id: str,
        public_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        stage, configured = runtime.stage, shared.config.integrations[integration]
        # one second of the provider's patience is for the way to and through API Gateway
        timeout_seconds = max(1, min(MAX_INTEGRATION_SECONDS, math.floor(spec.answer_within_seconds)) - 1)
        urls: Mapping[str, str] = {flow.queue.queue_url: names.queue(stage, flow.name) for flow in flows}
        webhook = HubFunction(
            self,
            "Lambda",
            runtime,
            name=names.webhook_function(stage, integration),
            handler="webhooks.main.handler",
            bundle=webhook_kind(spec.signature.scheme),
            settings=WebhookSettings(
                stage=stage,
                integration=integration,
                connector=configured.connector,
                secret_id=names.secret(stage, integration),
                queue_urls=list(urls),
                bodies_bucket=shared.bodies.name,
                ledger_table=names.ledger_table(stage),
                account=configured.account,
                public_url=public_url,
                expects=configured.expects,
                tolerance_seconds=configured.tolerance_seconds,
                addresses=configured.allowed_addresses,
                token_header=configured.token_header,
                timeout_seconds=timeout_seconds,
            ),
            longest={
                **{url: longest_queue_url(name) for url, name in urls.items()},
                **shared.bodies.longest(),
                public_url: configured.public_url or longest_url(integration),
            },
            rights=[
                iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[flow.queue.queue_arn for flow in flows]),
                may_read_secret(self, stage, integration),
                shared.bodies.may("s3:PutObject"),
                *_may_keep_tokens(integration, configured, spec, shared),
            ],
            timeout_seconds=timeout_seconds,
            # a third of a vCPU, so that a cold start's TLS handshakes and the deflating of a 6 MB body take well under
            # a second of the provider's patience; the memory itself is never short
            memory_mb=MEMORY_MB,
            dimensions={"stage": stage, "integration": integration},
            purpose=f"Receives the deliveries of {integration}",
            reserved_concurrency=shared.config.webhook_reserved_concurrency,
            quiet=True,
        )
        shared.bodies.argue(webhook.role)
        function = webhook.function
        self.log_group_arn = function.log_group.log_group_arn
        target = apigateway.CfnIntegration(
            self,
            "Integration",
            api_id=api_id,
            integration_type="AWS_PROXY",
            integration_uri=function.function_arn,
            payload_format_version="2.0",
            timeout_in_millis=(timeout_seconds + 1) * 1000,
        )
        for key in routes(integration, spec):
            method = key.split(" ")[0]
            route = apigateway.CfnRoute(
                self, f"Route{method}", api_id=api_id, route_key=key, target=f"integrations/{target.ref}"
            )
            accept(
                route,
                "AwsSolutions-APIG4",
                "providers authenticate by signing the body, which no authorizer of an HTTP API gets to see; the "
                "webhook Lambda verifies the signature before anything else and refuses when no secret is stored",
            )
            lambda_.CfnPermission(
                self,
                f"Permission{method}",
                action="lambda:InvokeFunction",
                function_name=function.function_name,
                principal="apigateway.amazonaws.com",
                source_arn=cdk.Stack.of(self).format_arn(
                    service="execute-api",
                    resource=api_id,
                    resource_name=f"*/{method}{names.webhook_path(integration)}",
                ),
            )


def longest_url(integration: str) -> str:
    """An integration's URL in a region with a long name."""
    return f"https://a123456789.execute-api.ap-southeast-1.amazonaws.com{names.webhook_path(integration)}"


def _may_keep_tokens(
    integration: str, configured: Integration, spec: WebhookSpec, shared: Destinations
) -> list[iam.PolicyStatement]:
    """The right to remember the integration's one-time tokens, where it asks for some or its provider signs them: in
    the ledger's table, under keys of its own."""
    if not (configured.token_header or spec.signature.one_time_token):
        return []
    own_keys = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [names.token(integration, "*")]}}
    actions = ["dynamodb:GetItem", "dynamodb:PutItem"]
    return [iam.PolicyStatement(actions=actions, resources=[shared.table.table_arn], conditions=own_keys)]
