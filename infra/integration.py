"""An integration that events come from: its webhook, its streams and the flows that start there, in a nested stack of
their own.

One stack cannot hold them all: CloudFormation allows 500 resources in each, and a flow has a dozen.
"""

import aws_cdk as cdk
from constructs import Construct

from hub import names
from hub.webhook_spec import WebhookSpec
from infra.actions import manifest_of
from infra.edge import Webhook
from infra.files import Files
from infra.flow import Destinations, Flow
from infra.functions import Runtime
from infra.health import HealthCheck
from infra.sync import Sync


class Source(cdk.NestedStack):
    """The nested stack of one integration that events come from."""

    def __init__(
        self,
        scope: Construct,
        integration: str,
        runtime: Runtime,
        shared: Destinations,
        *,
        spec: WebhookSpec | None,
        api_id: str,
        public_url: str,
    ) -> None:
        super().__init__(
            scope, integration, description=f"{names.stack(runtime.stage)}: {integration} and the flows from it"
        )
        self.integration = integration
        flows = [Flow(self, name, runtime, shared) for name in shared.config.flows_from(integration)]
        webhook = None
        if spec:
            webhook = Webhook(
                self,
                "Webhook",
                runtime,
                integration=integration,
                shared=shared,
                spec=spec,
                flows=flows,
                api_id=api_id,
                public_url=public_url,
            )
        stated = shared.config.integrations[integration]
        if manifest_of(stated).reads_files:
            Files(self, "Files", runtime, integration=integration, shared=shared, flows=flows)
        elif stated.streams:
            Sync(self, "Sync", runtime, integration=integration, shared=shared, flows=flows)
        HealthCheck(
            self,
            "Health",
            runtime,
            integration=integration,
            config=shared.config,
            table=shared.table,
            flows=flows,
            log_group_arn=webhook.log_group_arn if webhook else "",
            public_url=public_url if webhook else "",
        )
        for flow in flows:
            cdk.CfnOutput(self, f"QueueUrl{flow.name}", value=flow.queue.queue_url, description=f"Queue of {flow.name}")
