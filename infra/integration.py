"""An integration that sends: its webhook and the flows that start there, in a nested stack of their own.

One stack cannot hold them all: CloudFormation allows 500 resources in each, and a flow has a dozen.
"""

import aws_cdk as cdk
from constructs import Construct

from hub import names
from hub.webhook_spec import WebhookSpec
from infra.edge import Webhook
from infra.flow import Destinations, Flow
from infra.functions import Runtime


class Source(cdk.NestedStack):
    """The nested stack of one integration that sends."""

    def __init__(
        self,
        scope: Construct,
        integration: str,
        runtime: Runtime,
        shared: Destinations,
        *,
        spec: WebhookSpec,
        api_id: str,
        public_url: str,
    ) -> None:
        super().__init__(
            scope, integration, description=f"{names.stack(runtime.stage)}: {integration} and the flows from it"
        )
        flows = [Flow(self, name, runtime, shared) for name in shared.config.flows_from(integration)]
        Webhook(
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
        for flow in flows:
            cdk.CfnOutput(self, f"QueueUrl{flow.name}", value=flow.queue.queue_url, description=f"Queue of {flow.name}")
