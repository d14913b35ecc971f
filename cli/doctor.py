"""`hub doctor`: what is misconfigured, why that matters, and the command that mends it."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from adapters.health import DynamoHealth
from adapters.secrets import IntegrationSecrets
from cli.failure import Failed, sentence
from cli.flow import flowing, told
from cli.secrets import read
from cli.send import webhook_url
from cli.setup import client, connector_of, site_lacks, subscribed_at, topics_of
from cli.stage import LOCAL, ConfigOption, Stage, StageOption, open_stage
from hub import names
from hub.errors import HubError
from hub.expiry import expiries
from hub.health import Status, is_overdue, worst
from hub.subscriptions import lacks
from infra.actions import url_of
from infra.configuration import CONFIG

ERROR, WARNING = "error", "warning"
MARKS = {ERROR: ("✗", "red"), WARNING: ("!", "yellow")}
SKEW_WARNS, SKEW_ERRS = timedelta(seconds=30), timedelta(minutes=5)  # AWS refuses requests that are five minutes off
SOON = timedelta(days=30)
ENABLE = (
    'aws scheduler update-schedule --state ENABLED --cli-input-json "$(aws scheduler get-schedule --name {name} --query '
    "'{{Name:Name,GroupName:GroupName,ScheduleExpression:ScheduleExpression,ScheduleExpressionTimezone:"
    "ScheduleExpressionTimezone,FlexibleTimeWindow:FlexibleTimeWindow,Target:Target}}')\""
)


@dataclass(frozen=True, slots=True)
class Ailment:
    """One thing that is wrong. `remedy` is what to type."""

    severity: str
    about: str  # the integration, flow or thing
    what: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Patient:
    """A stage and what the examinations need to know of it."""

    stage: Stage
    file: Path  # its configuration
    outputs: dict[str, str]
    now: datetime

    @property
    def records(self) -> DynamoHealth:
        """How its integrations are."""
        return DynamoHealth(self.stage.dynamodb(), names.ledger_table(self.stage.name))

    def integrations(self) -> Iterator[str]:
        """Their names."""
        yield from sorted(self.stage.config.integrations)

    def aws(self, words: str) -> str:
        """A command of AWS's own, at the stage's AWS."""
        return f"aws {words}" + (f" --endpoint-url {self.stage.endpoint}" if self.stage.endpoint else "")

    def tail(self, function: str) -> str:
        """The command that shows what a function has said of late."""
        return self.aws(f"logs tail /aws/lambda/{function} --since 1h")

    def option(self) -> str:
        """How a command is told the stage."""
        return "" if self.stage.name == LOCAL else f" --stage {self.stage.name}"


def doctor(
    stage: StageOption = None,
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Explain what is misconfigured and how to mend it. Changes nothing. Exit code 1 where there are errors."""
    opened = open_stage(stage, config)
    found = list(_examined(opened, config or CONFIG / f"{opened.name}.yaml"))
    found.sort(key=lambda each: each.severity != ERROR)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], indent=2))
    else:
        _show(opened.name, found)
    if any(each.severity == ERROR for each in found):
        raise typer.Exit(1)


def _examined(opened: Stage, file: Path) -> Iterator[Ailment]:
    began = datetime.now(UTC)
    try:
        identity: Any = opened.identity()
        outputs = opened.outputs()
    except Failed as error:
        yield Ailment(ERROR, opened.name, "is not deployed", "there is nothing to look at", str(error))
        return
    except (BotoCoreError, ClientError) as error:
        yield Ailment(
            ERROR, "AWS", "cannot be asked", "without credentials, region and network nothing works", sentence(error)
        )
        return
    yield from _clock(identity, began, datetime.now(UTC))
    patient = Patient(opened, file, outputs, datetime.now(UTC))
    for examine in EXAMINATIONS:
        try:
            with told(opened):
                yield from examine(patient)
        except (Failed, HubError, BotoCoreError, ClientError) as error:
            what = examine.__name__.strip("_").replace("_", " ")
            yield Ailment(WARNING, what, "could not be looked at", "it may hide something", sentence(error))


def _clock(identity: Any, before: datetime, after: datetime) -> Iterator[Ailment]:
    text = identity["ResponseMetadata"]["HTTPHeaders"].get("date", "")
    try:
        there = parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return
    skew = max(there - after, before - there - timedelta(seconds=1), timedelta(0))  # HTTP tells whole seconds
    if skew >= SKEW_WARNS:
        severity = ERROR if skew >= SKEW_ERRS else WARNING
        why = "AWS refuses requests that are signed five minutes off, and what `hub send` signs would be stale"
        yield Ailment(
            severity, "this machine", f"its clock is {skew.seconds} s off AWS's", why, "sudo timedatectl set-ntp true"
        )


def _stack(patient: Patient) -> Iterator[Ailment]:
    stage, deploy = patient.stage, patient.stage.how_to_deploy()
    (stack,) = stage.cloudformation().describe_stacks(StackName=names.stack(stage.name))["Stacks"]
    state = stack["StackStatus"]
    if state not in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"):
        remedy = f"{patient.aws(f'cloudformation describe-stack-events --stack-name {names.stack(stage.name)}')}; then {deploy}"
        yield Ailment(ERROR, stage.name, f"its stack is {state}", "the last deployment did not end well", remedy)
    deployed = stack.get("LastUpdatedTime") or stack["CreationTime"]
    changed = datetime.fromtimestamp(patient.file.stat().st_mtime, UTC) if patient.file.is_file() else deployed
    if changed > deployed.astimezone(UTC) + timedelta(seconds=1):
        what = f"{patient.file.name} was changed {changed:%Y-%m-%d %H:%M} UTC, after the deployment of {deployed:%Y-%m-%d %H:%M} UTC"
        yield Ailment(WARNING, stage.name, what, "what it says now does not count yet", deploy)


def _secrets(patient: Patient) -> Iterator[Ailment]:
    for name in patient.integrations():
        manifest, store = patient.stage.manifest(name), f"hub secrets set {name}{patient.option()}"
        stored = read(patient.stage, name)
        signing = manifest.webhook.signature.secret if manifest.webhook else ""
        receives = bool(signing and patient.stage.config.flows_from(name))
        if receives and not stored.get(signing):
            why = "every delivery of it is refused until then, and its provider gives up after hours"
            yield Ailment(ERROR, name, f"its secret {signing} is not stored", why, store)
        stated, connector = patient.stage.integration(name), connector_of(patient.stage.integration(name))
        if url_of(stated) and hasattr(connector, "credentials"):
            try:
                connector.credentials(_secrets_of(patient.stage, name).live)  # type: ignore[union-attr]  # it has them
            except HubError as error:
                yield Ailment(ERROR, name, str(error).partition(";")[0], "the hub cannot sign in there", store)
        for each in expiries(stored):
            if each.at < patient.now + SOON:
                what = f"its secret {each.secret} {'ended' if each.at < patient.now else 'ends'} on {each.at:%Y-%m-%d}"
                severity = ERROR if each.at < patient.now else WARNING
                yield Ailment(severity, name, what, "then the system refuses the hub", store)


def _secrets_of(stage: Stage, name: str) -> IntegrationSecrets:
    return IntegrationSecrets(stage.secrets(), stage.secret_id(name), time.monotonic, lambda: datetime.now(UTC))


def _flows(patient: Patient) -> Iterator[Ailment]:
    for flow in sorted(patient.stage.config.flows):
        stands = flowing(patient.stage, flow)
        resume = f"hub flow resume {flow}{patient.option()}"
        if stands.state == "stopped":
            why = "its events wait on the queue, for 14 days at most, and nobody has said why"
            yield Ailment(ERROR, flow, "its queue is not read: the mapping is disabled", why, resume)
        elif stands.state == "paused":
            yield Ailment(WARNING, flow, f"is paused {stands.why}", "its events wait, for 14 days at most", resume)
        elif stands.state == "waits":
            why = "its events wait and lose nothing; it goes on by itself once that answers"
            remedy = f"mend {stands.destination}; watch: hub status --watch 10{patient.option()}"
            yield Ailment(ERROR, flow, f"waits for {stands.destination}: {stands.why}", why, remedy)
        if stands.dead_letters:
            why = "the dlq function records each within seconds; what stays there it cannot take off"
            remedy = patient.tail(names.dlq_function(patient.stage.name))
            what = f"its dead letter queue holds {stands.dead_letters:,}"
            yield Ailment(ERROR, flow, what, why, remedy)


def _schedules(patient: Patient) -> Iterator[Ailment]:
    stage, ours = patient.stage, f":function:{names.stack(patient.stage.name)}-"
    runs: Counter[str] = Counter()
    for page in stage.scheduler().get_paginator("list_schedules").paginate():
        for each in page["Schedules"]:
            _, mark, rest = each["Target"]["Arn"].partition(ours)
            function = f"{names.stack(stage.name)}-{rest}"
            if mark and each.get("State") == "DISABLED":
                yield Ailment(
                    ERROR,
                    function,
                    "its schedule is disabled",
                    "nothing runs it any more",
                    ENABLE.format(name=each["Name"]),
                )
            runs[function if mark else ""] += 1
    wanted = {names.health_function(stage.name, name) for name in patient.integrations()}
    wanted |= {names.breaker_function(stage.name, flow.destination) for flow in stage.config.flows.values()}
    wanted |= {
        names.sync_function(stage.name, name)
        for name, each in stage.config.integrations.items()
        if any(stream.schedule for stream in each.streams.values()) and stage.config.flows_from(name)
        if not stage.manifest(name).reads_files
    }
    for function in sorted(wanted - runs.keys()):
        yield Ailment(ERROR, function, "nothing is scheduled to run it", "it never runs", stage.how_to_deploy())


def _alarms(patient: Patient) -> Iterator[Ailment]:
    topic = patient.outputs["AlarmsTopic"]
    pages = patient.stage.sns().get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    found = [each for page in pages for each in page["Subscriptions"]]
    subscribe = patient.aws(
        f"sns subscribe --topic-arn {topic} --protocol email --notification-endpoint you@example.com"
    )
    if not found:
        severity = WARNING if patient.stage.name == LOCAL else ERROR
        remedy = f"state `alarms: {{email: [...]}}` in the configuration and deploy, or: {subscribe}"
        yield Ailment(severity, "alarms", "nobody is subscribed to the alarms topic", "nobody hears of it", remedy)
    for each in found:
        if each["SubscriptionArn"] == "PendingConfirmation":
            what = f"{each['Endpoint']} has not confirmed its subscription"
            remedy = f"confirm by AWS's mail (look among the spam), or ask for another: {subscribe}"
            yield Ailment(WARNING, "alarms", what, "it gets nothing until then", remedy)


def _health(patient: Patient) -> Iterator[Ailment]:
    for name in patient.integrations():
        record, stated = patient.records.read(name), patient.stage.integration(name).health
        function = names.health_function(patient.stage.name, name)
        if not record.beats or is_overdue(record, stated.every_seconds, patient.now):
            what = "its health checks have stopped" if record.beats else "its health was never checked"
            yield Ailment(WARNING, name, what, "nobody notices when it fails", patient.tail(function))
        elif record.status is not Status.HEALTHY:
            severity = ERROR if record.status is Status.DOWN else WARNING
            why = f"so the last check at {record.beats[-1].at:%H:%M} UTC found; it is {record.status.value}"
            yield Ailment(severity, name, worst(record.parts), why, f"hub status --watch 10{patient.option()}")


def _subscriptions(patient: Patient) -> Iterator[Ailment]:
    for name in patient.integrations():
        system = subscribed_at(patient.stage, name)
        if not system:
            continue
        setup = f"hub setup webhooks {name}{patient.option()}"
        registered = patient.records.registered(name)
        if registered is None:
            why = "what was registered by hand is not watched: a provider that drops it does so without a word"
            yield Ailment(WARNING, name, "its webhooks were not registered by the hub", why, setup)
            continue
        here = patient.stage.integration(name).public_url or webhook_url(patient.stage, name)
        if registered.url != here:
            what = f"its webhooks are registered for {registered.url}, while it listens at {here}"
            yield Ailment(ERROR, name, what, "what is sent there does not arrive", setup)
            continue
        there = connector_of(patient.stage.integration(system))
        http = client(patient.stage, system, url_of(patient.stage.integration(system)), there)  # type: ignore[arg-type]
        missing = lacks(registered.topics, registered.url, there.subscriptions(http).listed())  # type: ignore[union-attr]
        for topic in missing.vanished:
            yield Ailment(ERROR, name, f"{topic} is registered no longer", "nothing of it is sent", setup)
        for words in missing.wrong:
            yield Ailment(ERROR, name, words, "it does not arrive as it should", setup)
        receiver = connector_of(patient.stage.integration(name))
        needed = receiver.subscriptions_for(topics_of(patient.stage, name))  # type: ignore[union-attr]  # it is subscribed
        if never := sorted(set(needed) - set(registered.topics)):
            why = "flows have actions for them, which only a pull will ever call"
            yield Ailment(WARNING, name, f"never registered: {', '.join(never)}", why, setup)


def _api_versions(patient: Patient) -> Iterator[Ailment]:
    for name in patient.integrations():
        stated = patient.stage.integration(name)
        until: datetime | None = getattr(connector_of(stated), "API_SUPPORTED_UNTIL", None)
        if until and url_of(stated) and until < patient.now + SOON:
            is_over = until < patient.now
            what = f"the version of its API that the hub speaks {'ended' if is_over else 'ends'} on {until:%Y-%m-%d}"
            why = "then calls are answered by another version, which may say less or refuse them"
            yield Ailment(ERROR if is_over else WARNING, name, what, why, "install the next release of the hub, deploy")


def _sites(patient: Patient) -> Iterator[Ailment]:
    for name in patient.integrations():
        try:
            fields, denied = site_lacks(patient.stage, name)
        except (Failed, HubError) as error:
            what = f"could not be asked for the hub's fields: {error}"
            remedy = f"hub setup erp --check --integration {name}{patient.option()}, from where its url can be reached"
            yield Ailment(WARNING, name, what, "they may be missing", remedy)
            continue
        if fields:
            what = f"lacks the hub's fields: {', '.join(fields)}"
            why = "without them documents could be doubled; their writing fails"
            yield Ailment(ERROR, name, what, why, f"hub setup erp --integration {name}{patient.option()}")
        if denied:
            what = f"its user may not read {', '.join(denied)}"
            remedy = "give it a role that may (in ERPNext: User → Roles), such as Sales Manager and Accounts User"
            yield Ailment(ERROR, name, what, "documents of these kinds cannot be written", remedy)


EXAMINATIONS: tuple[Callable[[Patient], Iterator[Ailment]], ...] = (
    _stack, _secrets, _flows, _schedules, _alarms, _health, _subscriptions, _api_versions, _sites
)  # fmt: skip


def _show(stage: str, found: list[Ailment]) -> None:
    console = Console(highlight=False)
    for each in found:
        mark, colour = MARKS[each.severity]
        console.print(Text.assemble((f"{mark} {each.about}", f"bold {colour}"), f": {each.what}"))
        console.print(Padding(Text(f"why: {each.why}", style="dim"), (0, 0, 0, 2)))
        console.print(Text(f"  do:  {each.remedy}"), soft_wrap=True)  # to be copied in one piece
        console.print()
    counts = Counter(each.severity for each in found)
    if not found:
        console.print(
            Text(f"Stage {stage} is well: {len(EXAMINATIONS) + 1} examinations found nothing.", style="green")
        )
        return
    words = [f"{counts[kind]} {kind}{'' if counts[kind] == 1 else 's'}" for kind in (ERROR, WARNING) if counts[kind]]
    console.print(f"Stage {stage}: {', '.join(words)}.")
