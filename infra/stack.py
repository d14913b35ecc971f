"""The hub as one stack: composed from the configuration and the manifests, naming no connector."""

from pathlib import Path

import aws_cdk as cdk
from constructs import Construct

from hub import names
from hub.config import Config
from infra.actions import manifest_of
from infra.alarm_kinds import Severity
from infra.alarms import RUNBOOKS
from infra.bodies import Bodies
from infra.breaker import DestinationBreaker
from infra.credentials import IntegrationSecret
from infra.dashboards import Dashboard, hub_dashboard, integration_dashboard, place_of
from infra.dead_letters import DeadLetters
from infra.edge import Api, routes
from infra.files import FilesBucket
from infra.flow import Destinations
from infra.functions import Runtime
from infra.health import HealthCheck
from infra.integration import Source
from infra.ledger import Ledger
from infra.lost import Lost
from infra.notify import AlarmsTopics
from infra.platform import Platform
from infra.trail import TrailTable
from infra.watch import Pulse, Watch


class HubStack(cdk.Stack):
    """Everything of one stage. `code` holds the bundles for the platform, one folder per kind."""

    def __init__(self, scope: Construct, config: Config, platform: Platform, code: Path) -> None:
        stage = config.stage
        super().__init__(
            scope,
            names.stack(stage),
            description=f"ERP integration hub, stage {stage}",
            env=cdk.Environment(region=config.region) if config.region else None,
            analytics_reporting=False,
        )
        self.node.set_context(RUNBOOKS, config.alarms.runbooks)
        topics = AlarmsTopics(self, "Alarms", stage, platform, config.alarms).topics
        topic, arns = topics[Severity.WARNING], {severity: each.topic_arn for severity, each in topics.items()}
        table = Ledger(self, "Ledger", stage, platform).table
        TrailTable(self, "Trail", stage, platform)
        lost = Lost(self, "Lost", stage, platform, topic.topic_arn)
        runtime = Runtime(stage, str(code), platform, config.log_level, topic, topics[Severity.CRITICAL], lost)
        dlq = DeadLetters(self, "Dlq", runtime, config, table)
        secrets = Construct(self, "Secrets")
        for name, integration in config.integrations.items():
            purposes = "; ".join(f"{key}: {what}" for key, what in manifest_of(integration).secrets.items())
            IntegrationSecret(secrets, name, stage, name, purposes)

        breakers = Construct(self, "Breakers")
        for destination in sorted({flow.destination for flow in config.flows.values()}):
            DestinationBreaker(breakers, destination, runtime, config, table)

        api = Api(self, "Edge", stage)
        bodies = Bodies(self, "Bodies", stage, platform, config.ledger_days)
        shared = Destinations(config, table, bodies, dlq.function_arn)
        sources, route_keys = [], []
        for name, integration in config.integrations.items():
            spec = manifest_of(integration).webhook
            if (spec or integration.streams) and config.flows_from(name):
                url = integration.public_url or f"{api.url}{names.webhook_path(name)}"
                sources.append(Source(self, name, runtime, shared, spec=spec, api_id=api.api_id, public_url=url))
                if spec:
                    route_keys += routes(name, spec)
                    self._output(f"WebhookUrl{name}", url, f"Where {name} sends to, as it must be registered there")
        health = Construct(self, "Health")
        for name in sorted(config.integrations.keys() - {source.integration for source in sources}):
            HealthCheck(health, name, runtime, integration=name, config=config, table=table)
        api.open(config, route_keys, after=sources)
        droppers = [source for source in sources if manifest_of(config.integrations[source.integration]).reads_files]
        if droppers:
            bucket = FilesBucket(self, "Files", stage, platform, config.ledger_days, droppers)
            self._output("FilesBucket", bucket.name, "Where files are dropped, in inbox/<integration>/")

        pulse = Pulse(self, "Pulse", config, platform, arns, after=breakers)
        watches = Construct(self, "Watch")
        for name in config.connected:
            sends = bool(manifest_of(config.integrations[name]).webhook)
            watch = Watch(watches, name, config, platform, arns, sends=sends, after=pulse)
            if config.integration_dashboards:
                board = integration_dashboard(config, platform, place_of(watch), name)
                Dashboard(watch, "Board", names.dashboard(stage, name), board)
        Dashboard(self, "Board", names.dashboard(stage), hub_dashboard(config, platform, place_of(self)))

        self._output("ApiId", api.api_id, "The HTTP API")
        self._output("ApiUrl", api.url, "Where the HTTP API is")
        self._output("LedgerTable", table.table_name, "The ledger")
        self._output("AlarmsTopic", topic.topic_arn, "Where operators are told")

    def _output(self, name: str, value: str, description: str) -> None:
        cdk.CfnOutput(self, name, value=value, description=description)
