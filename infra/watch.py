"""The alarms of one integration and of the flows that start there, in a nested stack of their own.

They watch by name, so that they ring as well when what they watch is gone. What one outage sets off is held together by
composite alarms: the destination's `outage` tells, and the flows to it stay silent.
"""

import math
from collections.abc import Mapping

import aws_cdk as cdk
from constructs import Construct, IDependable

from hub import names
from hub.config import Config, Flow, StreamConfig, TrafficHours, seconds_of
from infra.alarm_kinds import KINDS, Severity
from infra.alarms import Watched, all_of, any_of, compose, watch
from infra.platform import Platform

DAY_SECONDS, WEEK_SECONDS = 86_400, 604_800
FLOWS_PER_COMPOSITE = 40  # a rule holds 10,240 characters, two alarms of a flow take some 180
BREACHING = "breaching"
Topics = Mapping[Severity, str]  # severity → ARN


def window(seconds: int) -> tuple[int, int]:
    """The period and the number of periods of an alarm that looks back so far, within what CloudWatch allows: a day in
    periods of minutes, a week in hours."""
    period = 300 if seconds <= DAY_SECONDS else 3_600
    return period, max(1, math.ceil(min(seconds, WEEK_SECONDS) / period))


def late_after(stream: StreamConfig) -> int | None:
    """The seconds after which a stream is late; None for one that is read by hand only."""
    if stream.late_after:
        return seconds_of(stream.late_after)
    if stream.every:
        return max(2 * seconds_of(stream.every), 1_800)
    if not stream.cron:
        return None
    _minute, _hour, day, month, weekday, _year = stream.cron.split()
    daily = month == "*" and {day, weekday} <= {"*", "?"}
    return 26 * 3_600 if daily else WEEK_SECONDS


def expected_hours(hours: TrafficHours) -> str:
    """The count while traffic is expected, 1 else; as metric math, whose hours are UTC."""
    days = {"every day": 7, "MON-FRI": 5, "MON-SAT": 6}[hours.days]
    return (
        f"IF(DAY(FILL(m,0))<={days} AND HOUR(FILL(m,0))>={hours.from_hour} AND HOUR(FILL(m,0))<{hours.until_hour}, "
        "FILL(m,0), 1)"
    )


def queue_age_seconds(config: Config, flow: Flow) -> float:
    """How old the oldest event of a flow may become. Older than two of its longest waits, it has failed several times or
    nobody takes it; with short waits, not before a burst has had a quarter of an hour."""
    stated = config.alarms.thresholds.queue_age_minutes
    return stated * 60 if stated else max(2 * flow.retry.cap_seconds, 900)


class Pulse(cdk.NestedStack):
    """Whether each integration serves: one `outage` for all that tells of it; and whether none seems to, which is the
    hub's own trouble."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        config: Config,
        platform: Platform,
        topics: Topics,
        after: IDependable,
    ) -> None:
        stage, critical = config.stage, topics[Severity.CRITICAL]
        super().__init__(scope, construct_id, description=f"{names.stack(stage)}: whether its integrations serve")
        self.node.add_dependency(after)
        self._config, self._told_by = config, None if platform.composite_alarms else critical
        limits = config.alarms.thresholds
        failing = f"failed {limits.failed_checks} health checks in a row, or is not checked any more"
        unhealthy = {name: self._check(name, "unhealthy", limits.failed_checks, failing) for name in config.connected}
        not_serving = f"has not served for {limits.down_minutes} minutes"
        down = {name: self._check(name, "down", self._checks_in(name), not_serving) for name in config.connected}
        if not platform.composite_alarms:
            return
        blind = ""
        if len(unhealthy) > 1:
            why = (
                "Every integration fails its health checks at once: the hub, its network or AWS is in trouble, not they"
            )
            rule = all_of(list(unhealthy.values()))
            blind = compose(self, "hub", "blind", stage=stage, rule=rule, why=why, topic_arn=critical)
        for name in config.connected:
            children = [unhealthy[name], down[name]]
            if config.flows_to(name):
                children.append(names.alarm(stage, name, "unavailable"))
            compose(
                self,
                name,
                "outage",
                stage=stage,
                rule=any_of(children),
                why=f"{name} does not serve. Its flows wait and lose nothing; the alarms of flows to it are held back",
                topic_arn=critical,
                suppressor=blind,
            )

    def _checks_in(self, integration: str) -> int:
        """How many checks of an integration make `down_minutes`."""
        return math.ceil(self._config.alarms.thresholds.down_minutes * 60 / self._seconds_between(integration))

    def _seconds_between(self, integration: str) -> int:
        return self._config.integrations[integration].health.every_seconds

    def _check(self, integration: str, kind: str, checks: int, why: str) -> str:
        watched = Watched(
            metric="Available",
            dimensions={"stage": self._config.stage, "integration": integration},
            statistic="Maximum",
            below=1,
            periods=checks,
            period_seconds=self._seconds_between(integration),
            silence=BREACHING,
            why=f"{integration} {why}",
        )
        return watch(self, integration, kind, watched, stage=self._config.stage, topic_arn=self._told_by)


class Watch(cdk.NestedStack):
    """The alarms of one integration."""

    def __init__(
        self,
        scope: Construct,
        integration: str,
        config: Config,
        platform: Platform,
        topics: Topics,
        *,
        sends: bool,
        after: IDependable,
    ) -> None:
        super().__init__(
            scope, integration, description=f"{names.stack(config.stage)}: the alarms of {integration} and its flows"
        )
        self.node.add_dependency(after)
        self._config, self._platform, self._topics = config, platform, topics
        self._stage, self._limits = config.stage, config.alarms.thresholds
        self._name, self._stated = integration, config.integrations[integration]
        self._integration(sends)
        for stream, stated in self._stated.streams.items():
            self._late(stream, stated)
        for destination in sorted({flow.destination for flow in config.flows_from(integration).values()}):
            self._flows_to(destination, sends)

    def _watch(self, kind: str, watched: Watched, subject: str = "") -> str:
        severity = KINDS[kind].severity
        if severity is None and not self._platform.composite_alarms:  # then there is nobody else who tells
            severity = Severity.WARNING
        return watch(
            self,
            subject or self._name,
            kind,
            watched,
            stage=self._stage,
            topic_arn=self._topics[severity] if severity else None,
        )

    def _compose(self, kind: str, rule: str, why: str, suppressor: str, subject: str = "") -> None:
        severity = KINDS[kind].severity
        if not self._platform.composite_alarms or severity is None:
            return
        compose(
            self,
            subject or self._name,
            kind,
            stage=self._stage,
            rule=rule,
            why=why,
            topic_arn=self._topics[severity],
            suppressor=suppressor,
        )

    def _own(self) -> dict[str, str]:
        return {"stage": self._stage, "integration": self._name}

    def _integration(self, sends: bool) -> None:
        limits, own = self._limits, self._own()
        self._watch(
            "availability",
            Watched(
                metric="Available",
                dimensions=own,
                statistic="Average",
                below=limits.availability_percent / 100,
                period_seconds=6 * 3_600,
                why=f"{self._name} passed less than {limits.availability_percent:g} % of six hours' health checks",
            ),
        )
        self._watch(
            "rate-limited",
            Watched(
                metric="RateLimitHits",
                dimensions=own,
                statistic="Sum",
                above=limits.rate_limit_hits,
                why=f"{self._name} refused more than {limits.rate_limit_hits} tries in 5 minutes for its rate limit",
            ),
        )
        if self._config.flows_from(self._name):
            self._watch(
                "escalated",
                Watched(
                    metric="EscalatedDeadLetters",
                    dimensions=own,
                    statistic="Sum",
                    above=0,
                    why=f"Events of {self._name} are dead, and no retry helps: a person must end them",
                ),
            )
        if any(stream.reconcile for stream in self._stated.streams.values()):
            self._watch(
                "differences",
                Watched(
                    metric="Differences",
                    dimensions=own,
                    statistic="Maximum",
                    above=0,
                    silence="ignore",  # until the next reconciliation finds none
                    why=f"Documents differ from what {self._name} says, as a reconciliation found",
                ),
            )
        if sends and self._stated.expects_traffic:
            self._silent()

    def _silent(self) -> None:
        expected, after = self._stated.expects_traffic, self._stated.silent_after
        period, periods = window(seconds_of(after))
        hours = expected_hours(expected) if isinstance(expected, TrafficHours) and self._platform.alarm_math else ""
        self._watch(
            "silent",
            Watched(
                metric="Accepted",
                dimensions=self._own(),
                statistic="Sum",
                below=1,
                periods=periods,
                period_seconds=period,
                silence=BREACHING,
                math=hours,
                why=f"Nothing has come from {self._name} for {after}, though traffic is expected",
            ),
        )

    def _late(self, stream: str, stated: StreamConfig) -> None:
        seconds = late_after(stated)
        if seconds is None:
            return
        period, periods = window(seconds)
        subject = f"{self._name}/{stream}"
        self._watch(
            "late",
            Watched(
                metric="RunsEnded",
                dimensions={**self._own(), "stream": subject},
                statistic="Sum",
                below=1,
                periods=periods,
                period_seconds=period,
                silence=BREACHING,
                why=f"No run of stream {subject} has ended for {seconds / 3600:.3g} hours",
            ),
            subject,
        )

    def _flows_to(self, destination: str, sends: bool) -> None:
        flows = [name for name, flow in self._config.flows_from(self._name).items() if flow.destination == destination]
        for begin in range(0, len(flows), FLOWS_PER_COMPOSITE):
            part = flows[begin : begin + FLOWS_PER_COMPOSITE]
            children = [self._flow(name, sends) for name in part]
            subject = f"{self._name}-to-{destination}" + (f"-{begin // FLOWS_PER_COMPOSITE + 1}" if begin else "")
            outage = names.alarm(self._stage, destination, "outage")
            self._compose(
                "stuck",
                any_of([name for each in children for name in each[:2]]),
                f"Events from {self._name} to {destination} do not get through, and {destination} is not down",
                outage,
                subject,
            )
            self._compose(
                "strained",
                any_of([name for each in children for name in each[2:]]),
                f"Events from {self._name} to {destination} get through slowly",
                outage,
                subject,
            )

    def _flow(self, name: str, sends: bool) -> list[str]:
        limits, flow = self._limits, self._config.flows[name]
        queue, own = {"QueueName": names.queue(self._stage, name)}, {"stage": self._stage, "flow": name}
        age = queue_age_seconds(self._config, flow)
        alarms = [
            self._watch(
                "events-wait",
                Watched(
                    namespace="AWS/SQS",
                    metric="ApproximateAgeOfOldestMessage",
                    dimensions=queue,
                    statistic="Maximum",
                    above=age,
                    periods=5,
                    period_seconds=60,
                    why=f"Events of flow {name} wait for more than {age / 60:g} minutes: its destination is down, slow "
                    "or refuses them",
                ),
                name,
            ),
            self._watch(
                "failing",
                Watched(
                    metric="Failed",
                    dimensions=own,
                    statistic="Average",
                    above=limits.error_rate_percent / 100,
                    periods=2,
                    why=f"More than {limits.error_rate_percent:g} % of the tries of flow {name} have failed for "
                    "10 minutes",
                ),
                name,
            ),
            self._watch(
                "queue-long",
                Watched(
                    namespace="AWS/SQS",
                    metric="ApproximateNumberOfMessagesVisible",
                    dimensions=queue,
                    statistic="Maximum",
                    above=limits.queue_length,
                    periods=5,
                    period_seconds=60,
                    why=f"More than {limits.queue_length} events of flow {name} have waited for 5 minutes",
                ),
                name,
            ),
        ]
        if sends:  # what is pulled is as late as its schedule
            alarms.append(
                self._watch(
                    "slow",
                    Watched(
                        metric="EndToEndMilliseconds",
                        dimensions=own,
                        statistic="p95",
                        above=limits.p95_seconds * 1000,
                        periods=3,
                        why=f"One in twenty events of flow {name} has taken more than {limits.p95_seconds:g} s from the "
                        "source to the document, for 15 minutes",
                    ),
                    name,
                )
            )
        return alarms
