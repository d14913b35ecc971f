"""Every metric that the hub counts: what an alarm or a dashboard may watch, told once.

All of them are in the namespace names.METRICS_NAMESPACE. Each combination of dimensions is a metric of its own, which
AWS charges for in every hour in which it is sent: so what is zero is not sent, and the values of a dimension are few.
"""

from dataclasses import dataclass

COUNT, MILLISECONDS = "Count", "Milliseconds"

# sets of dimensions; CloudWatch keeps each of them apart
STAGE = ("stage",)
FLOW = ("flow", "stage")
INTEGRATION = ("integration", "stage")
DESTINATION = ("destination", "stage")
STREAM = ("integration", "stage", "stream")
REASON = ("integration", "reason", "stage")
CATEGORY = ("category", "flow", "stage")


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its unit, the sets of dimensions under which it is sent, and which function sends it."""

    name: str
    unit: str
    dimensions: tuple[tuple[str, ...], ...]
    emitter: str
    meaning: str


def unit_of(name: str) -> str:
    """The unit of a metric, which its name tells."""
    return MILLISECONDS if name.endswith("Milliseconds") else COUNT


def _of(emitter: str, dimensions: tuple[tuple[str, ...], ...], **meanings: str) -> list[Metric]:
    return [Metric(name, unit_of(name), dimensions, emitter, meaning) for name, meaning in meanings.items()]


CATALOGUE: dict[str, Metric] = {
    metric.name: metric
    for metric in [
        *_of(
            "delivery",
            (STAGE, FLOW),
            Failed="1 for each try of an event that failed, 0 for each that did not: its average is the error rate, its "
            "sum the errors, its number of samples the throughput",
            EndToEndMilliseconds="from the provider's clock to the document, of events that came by webhook and were "
            "neither parked nor replayed",
            QueueMilliseconds="from our acceptance of an event to the beginning of its delivery, retries included",
            DeliveryMilliseconds="the delivery itself: reading, looking up, writing the document",
            Applied="events that changed a document",
            Unchanged="events whose document was right already",
            Stale="events that were older than what the document shows",
            Ignored="events that nobody wants, by a rule",
            Parked="events that wait for another one, or for a person",
            Dead="events that were set aside",
            Retried="events that stay on the queue for another try, those behind them included",
            KnownBefore="events that had ended before: delivered twice, applied once",
            MissedWebhooks="changes of which no webhook told, found by a pull",
            DestinationCalls="calls to the destination",
            CacheHits="lookups (customers, items and the like) that needed no call",
            CacheMisses="lookups that needed a call",
        ),
        *_of("delivery", (FLOW,), InFlightLimit="calls in flight that the destination is held to, while that is less"),
        Metric(
            "RateLimitHits",
            COUNT,
            (STAGE, INTEGRATION),
            "delivery, sync",
            "tries that the other system refused because of its rate limit; `integration` is that system",
        ),
        *_of(
            "webhooks",
            (INTEGRATION,),
            Accepted="events that were verified and queued",
            Handshakes="a provider's questions whether the URL is ours",
            PreviousSecret="deliveries that were signed with the secret before the current one",
            UnreadableVersions="deliveries whose version could not be read, so that order is not protected",
        ),
        *_of("webhooks", (INTEGRATION, REASON), Refused="deliveries that were refused, by reason"),
        *_of("webhooks", (INTEGRATION, REASON), NotAccepted="deliveries answered 503: our own trouble"),
        *_of("sync", (INTEGRATION, STREAM), RunsEnded="runs of a stream that came to their end"),
        *_of("sync", (INTEGRATION,), RunsFailed="runs that came to no end"),
        *_of(
            "sync",
            (INTEGRATION,),
            RowsListed="rows that were read",
            RowsQueued="rows that became events",
            RowsUnversioned="rows without a readable version",
            RowsDiffered="rows that a comparison found to differ from what was queued",
            OrphansTold="rows that vanished and were told as deleted",
            OrphansLeft="rows that vanished and were not",
            Differences="documents that differ from their source, as the last reconciliation found",
        ),
        *_of(
            "files",
            (INTEGRATION,),
            FilesTaken="files whose rows were taken in",
            FilesRefused="files that could not be read",
            FilesRetried="files that are tried again",
            RowsGood="rows that became events",
            RowsBad="rows that were rejected",
        ),
        *_of(
            "breaker",
            (DESTINATION,),
            BreakerOpen="1 unless the breaker is closed",
            NotTended="runs that AWS or the ledger did not let come to their end",
            ParkedWaiting="events that are parked",
            ParkedReleased="parked events that go on",
            ParkedDead="parked events that waited in vain",
        ),
        *_of("dlq", (STAGE, FLOW, CATEGORY), DeadLetters="dead letters that were recorded, by category"),
        *_of("dlq", (INTEGRATION,), EscalatedDeadLetters="dead letters that only a person can end, by their source"),
        *_of("dlq", (FLOW,), ResolvedDeadLetters="dead letters that ended well", RetriedDeadLetters="their new tries"),
        *_of("dlq", (STAGE,), NotRecorded="dead letters that stay in their queue, as the ledger did not answer"),
        *_of(
            "health",
            (INTEGRATION,),
            Available="1 where a check found the integration to serve, else 0: its average is the availability",
            Health="0 healthy, 1 degraded, 2 down",
            HealthMilliseconds="how long the check's call took",
            SubscriptionsMended="webhook subscriptions that had vanished and were registered again",
        ),
        *_of(
            "delivery",
            (FLOW,),
            Pushed="rows that a push delivered",
            PushFailed="rows that a push could not deliver",
            PushBatches="calls with which they went",
        ),
        Metric(
            "Bugs",
            COUNT,
            (STAGE, FLOW, INTEGRATION, DESTINATION),
            "every function",
            "errors that nothing expects; each function counts under its own dimensions",
        ),
    ]
}
