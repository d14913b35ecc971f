"""What of a deployment costs money, read from the templates that its configuration becomes: so nothing is forgotten."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cli.costs.model import MONTH_SECONDS, Deployment, Schedule
from hub.config import Config

FUNCTION, ALARM = "AWS::Lambda::Function", "AWS::CloudWatch::Alarm"
COMPOSITE_ALARM_METRICS = 5  # what one costs, in alarms of one metric
SCHEDULED_SECONDS = 1.0  # assumed: a look at the breaker, a probe, an empty page
UNITS = {"minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
CRON_RANGES = (60, 24, 31, 12, 7)  # minutes, hours, days, months, weekdays

Resource = Mapping[str, Any]


def deployment_of(config: Config) -> Deployment:
    """What the configuration deploys. Synthesizes it, which takes some seconds; raises ConfigurationError."""
    return read_deployment(list(_resources(config)), config)


def read_deployment(resources: list[Resource], config: Config) -> Deployment:
    """The same of templates' resources."""
    functions = [each["Properties"] for each in resources if each["Type"] == FUNCTION]
    flows = list(config.flows.values())
    return Deployment(
        sources=sum(1 for each in functions if each.get("Handler") == "webhooks.main.handler"),
        flows=len(flows),
        max_concurrency=round(sum(flow.max_concurrency for flow in flows) / len(flows)),
        workers=round(sum(flow.workers for flow in flows) / len(flows)),
        webhook_memory_mb=_memory(functions, "webhooks.main.handler"),
        delivery_memory_mb=_memory(functions, "delivery.main.handler"),
        queues_read=_number(resources, "AWS::Lambda::EventSourceMapping"),
        alarm_metrics=sum(_watched(each["Properties"]) for each in resources if each["Type"] == ALARM)
        + COMPOSITE_ALARM_METRICS * _number(resources, "AWS::CloudWatch::CompositeAlarm"),
        dashboards=_number(resources, "AWS::CloudWatch::Dashboard"),
        secrets=_number(resources, "AWS::SecretsManager::Secret"),
        schedules=tuple(_schedules(resources)),
        ledger_days=config.ledger_days,
        log_days=max(each["Properties"].get("RetentionInDays", 3_650) for each in resources if each["Type"] == LOGS),
    )


LOGS = "AWS::Logs::LogGroup"


def runs_per_month(expression: str) -> float:
    """How often rate(…) or cron(…) runs, as EventBridge writes them; 0 for at(…). Raises ValueError for anything else."""
    if expression.startswith("at("):
        return 0.0
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return MONTH_SECONDS / (int(rate[1]) * UNITS[rate[2]])
    if cron := re.fullmatch(r"cron\((.+)\)", expression):
        each = [_share(field, full) for field, full in zip(cron[1].split(), CRON_RANGES, strict=False)]
        shares = each[0] * each[1] * each[2] * each[3] * each[4]
        return MONTH_SECONDS / UNITS["minute"] * shares
    raise ValueError(f"{expression!r} is no schedule")


def _share(field: str, full: int) -> float:
    """The share of a cron field's values at which it runs."""
    if field in ("*", "?"):
        return 1.0
    return min(sum(_values(part, full) for part in field.split(",")) / full, 1.0)


def _values(part: str, full: int) -> int:
    span, _, step = part.partition("/")
    first, _, last = span.partition("-")
    if step:
        return max(full // int(step), 1)
    return _place(last) - _place(first) + 1 if last else 1


def _place(name: str) -> int:
    days = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
    return days.index(name.upper()) if name.upper() in days else int(name) if name.isdigit() else 0


def _memory(functions: list[Mapping[str, Any]], handler: str) -> int:
    return max((int(each["MemorySize"]) for each in functions if each.get("Handler") == handler), default=128)


def _number(resources: list[Resource], kind: str) -> int:
    return sum(1 for each in resources if each["Type"] == kind)


def _watched(alarm: Mapping[str, Any]) -> int:
    return sum(1 for each in alarm.get("Metrics", []) if "MetricStat" in each) or 1


def _schedules(resources: list[Resource]) -> Iterator[Schedule]:
    memories = {
        each["LogicalId"]: each["Properties"].get("MemorySize", 128) for each in resources if each["Type"] == FUNCTION
    }
    for each in resources:
        if (
            each["Type"] in ("AWS::Scheduler::Schedule", "AWS::Events::Rule")
            and "ScheduleExpression" in each["Properties"]
        ):
            runs = runs_per_month(each["Properties"]["ScheduleExpression"])
            named = next((memories[name] for name in memories if name in json.dumps(each["Properties"])), 256)
            yield Schedule(runs, int(named), SCHEDULED_SECONDS)


def _resources(config: Config) -> Iterator[Resource]:
    import aws_cdk as cdk  # takes seconds, which no other command needs

    from infra.bundle import Kind
    from infra.platform import platform_of
    from infra.stack import HubStack

    with tempfile.TemporaryDirectory() as folder:
        code = Path(folder) / "code"
        for kind in Kind:  # what is in them costs nothing
            (code / kind).mkdir(parents=True)
            (code / kind / "empty").touch()
        app = cdk.App(outdir=f"{folder}/out")
        HubStack(app, config, platform_of(config.stage), code)
        app.synth()
        for template in Path(folder, "out").glob("*.template.json"):
            for name, resource in json.loads(template.read_text("utf-8"))["Resources"].items():
                yield {"LogicalId": name, "Properties": {}, **resource}
