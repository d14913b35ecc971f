"""Every kind of alarm: what its ringing means and whom it tells. Each has a runbook, docs/runbooks/<kind>.md."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How soon a person must look: at once, in working hours, or when there is time."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Kind:
    """`severity` is "" for an alarm that tells nobody itself: a composite that it is part of does."""

    name: str
    severity: Severity | None
    of: str  # what it is about: a flow, an integration …
    watches: str
    when: str


_ALL = (
    Kind("outage", Severity.CRITICAL, "integration", "composite", "unavailable, unhealthy or down, unless blind"),
    Kind("unavailable", None, "destination", "BreakerOpen", "1 in each of 3 minutes; silence changes nothing"),
    Kind("unhealthy", None, "integration", "Available", "below 1 in 3 checks in a row, or no check"),
    Kind("down", None, "integration", "Available", "0 in every check of 30 minutes, or no check"),
    Kind("blind", Severity.CRITICAL, "hub", "composite", "every integration is unhealthy at once"),
    Kind("availability", Severity.INFO, "integration", "Available", "below 95 % over 6 hours"),
    Kind("silent", Severity.CRITICAL, "integration", "Accepted", "nothing for 30 minutes while traffic is expected"),
    Kind("rate-limited", Severity.WARNING, "integration", "RateLimitHits", "more than 10 in 5 minutes"),
    Kind("late", Severity.WARNING, "stream", "RunsEnded", "no run ended for twice its interval"),
    Kind("differences", Severity.WARNING, "integration", "Differences", "any, in 5 minutes"),
    Kind("escalated", Severity.WARNING, "integration", "EscalatedDeadLetters", "any, in 5 minutes"),
    Kind("stuck", Severity.CRITICAL, "source and destination", "composite", "events-wait or failing, unless outage"),
    Kind("events-wait", None, "flow", "AWS/SQS ApproximateAgeOfOldestMessage", "older than two of its longest waits"),
    Kind("failing", None, "flow", "Failed", "more than 5 % of the tries for 10 minutes"),
    Kind("strained", Severity.WARNING, "source and destination", "composite", "queue-long or slow, unless outage"),
    Kind("queue-long", None, "flow", "AWS/SQS ApproximateNumberOfMessagesVisible", "more than 100 for 5 minutes"),
    Kind("slow", None, "flow", "EndToEndMilliseconds", "P95 above 2 s for 15 minutes"),
    Kind(
        "dead-letters-wait",
        Severity.CRITICAL,
        "flow",
        "AWS/SQS ApproximateNumberOfMessagesVisible",
        "any in the dead letter queue for 2 minutes",
    ),
    Kind("errors", Severity.WARNING, "function", "AWS/Lambda Errors", "any, in 5 minutes"),
    Kind("bugs", Severity.WARNING, "function", "Bugs", "any, in 5 minutes"),
    Kind("throttled", Severity.WARNING, "function", "AWS/Lambda Throttles", "any, in 5 minutes"),
    Kind("lost", Severity.WARNING, "files", "AWS/SQS ApproximateNumberOfMessagesVisible", "any"),
    Kind("lost-schedules", Severity.WARNING, "hub", "AWS/SQS ApproximateNumberOfMessagesVisible", "any"),
    Kind("lost-invocations", Severity.WARNING, "hub", "AWS/SQS ApproximateNumberOfMessagesVisible", "any"),
)
KINDS = {kind.name: kind for kind in _ALL}
