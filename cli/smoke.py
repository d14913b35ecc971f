"""`hub smoke`: after a deployment, whether everything is there and lets itself be reached, without touching any data."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

import httpx
import typer
from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console
from rich.text import Text

from adapters.databases import is_web
from adapters.dynamodb import DynamoLedger
from adapters.lambdas import invoke
from breaker.handler import ONLY_PROBE
from cli.failure import Failed, sentence
from cli.flow import flowing, told
from cli.secrets import read
from cli.send import webhook_url
from cli.stage import LOCAL, ConfigOption, Stage, StageOption, open_stage
from cli.trail import trail
from connectors import connector_module, has_code
from hub import names
from hub.connector import HttpClient, Reach
from hub.errors import HubError, NotConfigured
from hub.sign_in import Auth, Signer
from infra.actions import url_of

REFUSED = (400, 401, 403)  # 401 where a signature stands in a header; 400 where it would stand in the body
FLOWS = ("flows", "slowly")
OF_A_DATABASE = ("username", "password")

Check = tuple[str, Callable[[], Iterator[str]]]  # what it looks at, and a sentence for each fault


def smoke(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    stage: StageOption = None,
    config: ConfigOption = None,
) -> None:
    """Look whether a deployed stage works from end to end, without touching business data: URLs, secrets, flows, ledger,
    destinations, and who hears alarms. Exit code 1 where something is wrong, with a sentence for each."""
    opened = open_stage(stage, config)
    opened.outputs()  # first: of a stage that is not deployed there is one thing to say
    results = {about: list(_faults(look)) for about, look in checks(opened)}
    if as_json:
        typer.echo(json.dumps(results, indent=2, ensure_ascii=False))
    else:
        _print(results)
    if any(results.values()):
        raise typer.Exit(1)


def checks(opened: Stage) -> Iterator[Check]:
    """Everything that is looked at."""
    for name in sorted(opened.config.integrations):
        if opened.manifest(name).webhook and opened.config.flows_from(name):
            yield f"{name}: an unsigned delivery is refused", partial(_unsigned, opened, name)
        yield f"{name}: its secrets are stored", partial(_secrets, opened, name)
        if any(stream.schedule for stream in opened.config.integrations[name].streams.values()):
            yield f"{name}: its streams are read on schedule", partial(_schedules, opened, name)
    for flow in sorted(opened.config.flows):
        yield f"{flow}: its queue is read", partial(_flow, opened, flow)
    for destination in sorted({flow.destination for flow in opened.config.flows.values()}):
        yield f"{destination}: it serves", partial(_serves, opened, destination)
    yield "the ledger and the trail can be read", partial(_ledger, opened)
    if opened.name != LOCAL:  # on this machine nobody is called at night
        yield "alarms are heard", partial(_heard, opened)


def _faults(look: Callable[[], Iterator[str]]) -> Iterator[str]:
    """The sentences of a check; one that cannot be made is a fault, too."""
    try:
        yield from look()
    except (Failed, HubError, BotoCoreError, ClientError) as error:
        yield sentence(error)


def _unsigned(opened: Stage, integration: str) -> Iterator[str]:
    url = webhook_url(opened, integration)
    try:
        status = httpx.post(url, content=b"{}", timeout=30, trust_env=opened.endpoint is None).status_code
    except httpx.TransportError as error:
        yield f"{url} does not answer ({type(error).__name__})."
        return
    if status < 300:
        yield f"{url} took a delivery that nobody signed (HTTP {status}): switch it off and look at once."
    elif status not in REFUSED:
        yield f"{url} answers an unsigned delivery with HTTP {status}, not with a refusal: read its function's log."


def _secrets(opened: Stage, integration: str) -> Iterator[str]:
    """Their names only; no value is looked at, or shown."""
    stored = {name for name, value in read(opened, integration).items() if value}
    if missing := sorted(needed(opened, integration) - stored):
        yield f"{integration} lacks {', '.join(missing)}: store it with `hub secrets set {integration}`."


def needed(opened: Stage, integration: str) -> set[str]:
    """The secrets without which what the configuration asks of an integration cannot be done, by asking the code that
    signs in what it would take."""
    stated, manifest = opened.integration(integration), opened.manifest(integration)
    flows_to = [flow for flow in opened.config.flows.values() if flow.destination == integration]
    asked: set[str] = set()
    if manifest.webhook and manifest.webhook.signature.secret and opened.config.flows_from(integration):
        asked.add(manifest.webhook.signature.secret)
    settings = [flow.settings for flow in flows_to] + [stream.settings for stream in stated.streams.values()]
    if not settings or manifest.reads_files:
        return asked
    if not is_web(url_of(stated)):
        return asked | set(OF_A_DATABASE).intersection(manifest.secrets)

    def secret(name: str) -> Sequence[str]:
        asked.add(name)
        return ["-"]

    module = connector_module(stated.connector) if has_code(stated.connector) else None
    reach = Reach(url_of(stated), secret, _no_http, lambda: datetime.now(UTC), _no_sleep)
    for each in settings:
        with suppress(NotConfigured):  # what would go out for a token has asked for its secrets before
            if "auth" in each:
                Signer(Auth(**each["auth"]), {}, reach).headers()
                Signer(Auth(**each["auth"]), {}, reach).query()
            elif hasattr(module, "credentials"):
                module.credentials(secret)  # type: ignore[union-attr]  # hasattr has ruled None out
    return asked


def _no_http(_: Callable[[], Mapping[str, str]]) -> HttpClient:
    raise NotConfigured("nothing is called to learn which secrets are needed")


def _no_sleep(_: float) -> None:
    raise NotConfigured("nothing is waited for")


def _flow(opened: Stage, flow: str) -> Iterator[str]:
    found = flowing(opened, flow)
    if found.state not in FLOWS:
        yield f"{flow} does not flow, it is {found.state}: {found.why}."


def _schedules(opened: Stage, integration: str) -> Iterator[str]:
    wanted = sum(bool(stream.schedule) for stream in opened.config.integrations[integration].streams.values())
    function = f":function:{names.sync_function(opened.name, integration)}"
    pages = opened.scheduler().get_paginator("list_schedules").paginate()
    states = [each["State"] for page in pages for each in page["Schedules"] if each["Target"]["Arn"].endswith(function)]
    if "DISABLED" in states:
        yield f"A schedule of {integration}'s streams is disabled: enable it in AWS, or deploy again."
    if len(states) < wanted:
        yield f"{integration} has {len(states)} schedules for {wanted} streams: {opened.how_to_deploy()}."


def _serves(opened: Stage, destination: str) -> Iterator[str]:
    """As the function that would wait for it sees it, from where it runs."""
    function = names.breaker_function(opened.name, destination)
    with told(opened):
        failure: Any = invoke(opened.lambda_(), function, ONLY_PROBE).get("failure", "it did not say")
    if failure:
        yield f"{destination} does not serve: {failure}."


def _ledger(opened: Stage) -> Iterator[str]:
    with told(opened):
        DynamoLedger(opened.dynamodb(), names.ledger_table(opened.name), days=0).heads_of([("smoke", "smoke")])
        now = datetime.now(UTC)
        list(trail(opened).deeds(now - timedelta(minutes=1), now))
    yield from ()


def _heard(opened: Stage) -> Iterator[str]:
    topics = {key: arn for key, arn in opened.outputs().items() if key.startswith("AlarmsTopic")}
    for arn in topics.values():
        pages = opened.sns().get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        states = [each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]]
        if not any(state.startswith("arn:") for state in states):
            why = "nobody has confirmed yet" if states else "nobody is subscribed; state alarms in the configuration"
            yield f"Alarms on {arn.rpartition(':')[2]} are heard by nobody: {why}."


def _print(results: Mapping[str, Sequence[str]]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for about, faults in results.items():
        mark = ("wrong", "red") if faults else ("ok", "green")
        console.print(Text.assemble((f"{mark[0]:<6}", mark[1]), about))
        for fault in faults:
            console.print(Text(f"      {fault}", style="red"))
    wrong = sum(map(bool, results.values()))
    console.print(f"{len(results) - wrong} of {len(results)} checks passed.")
