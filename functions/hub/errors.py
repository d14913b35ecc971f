"""What can go wrong, grouped by what to do next.

    HubError
    ├── Rejected      answer 4xx, keep nothing                      (the edge: what arrived is not a verified delivery)
    ├── Temporary     leave it on the queue, try again later         (Retry-After honoured, else backoff with full jitter)
    │   ├── Contended     it collided with other work                (counts toward the destination's pace)
    │   └── Unavailable   the whole destination is in trouble        (counts toward its circuit breaker)
    │       └── NoAnswer      and it may have done what it was asked  (a `once` action must not simply be repeated)
    ├── Parked        waits for a named thing, off the queue         (released when that has come, dead when it never does)
    └── Permanent     dead at once, with the reason; replayable

Messages say what, where and what to do; they bear no payload and no secret.
"""

from enum import StrEnum


class Category(StrEnum):
    """What kind of trouble it is: bounded, so that it can be a metric dimension."""

    AUTHENTICATION_FAILED = "AUTHENTICATION_FAILED"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    INVALID_REQUEST = "INVALID_REQUEST"
    SERVER_ERROR = "SERVER_ERROR"
    TIMEOUT = "TIMEOUT"
    DATA_VALIDATION_FAILED = "DATA_VALIDATION_FAILED"
    SYNC_FAILED = "SYNC_FAILED"


class Severity(StrEnum):
    """How soon a person must look."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class HubError(Exception):
    """The root of everything the hub raises on purpose."""

    category = Category.SYNC_FAILED
    severity = Severity.MEDIUM

    def __init__(self, message: str, *, category: Category | None = None, severity: Severity | None = None) -> None:
        super().__init__(message)
        self.category = category or type(self).category
        self.severity = severity or type(self).severity

    @property
    def code(self) -> str:
        """The error's name, stable enough to group by."""
        return type(self).__name__


class Rejected(HubError):
    """A delivery that is refused at the edge: nothing of it is kept. `status` is the HTTP answer."""

    status = 400
    category = Category.INVALID_REQUEST


class MethodNotAllowed(Rejected):
    """The provider never uses this HTTP method here."""

    status = 405


class MissingHeader(Rejected):
    """A header without which a delivery cannot be verified or identified is absent or empty."""

    status = 401
    category = Category.AUTHENTICATION_FAILED


class RepeatedHeader(Rejected):
    """A header that must be single came twice, so that it is unclear which one was meant."""

    status = 401
    category = Category.AUTHENTICATION_FAILED


class MalformedHeader(Rejected):
    """A header whose value cannot be one that the provider sends."""


class BadSignature(Rejected):
    """No live secret produces the signature that came with these bytes."""

    status = 401
    category = Category.AUTHENTICATION_FAILED


class NoSecret(Rejected):
    """No secret is configured for the integration, so nothing can be verified: fail closed."""

    status = 401
    category = Category.AUTHENTICATION_FAILED
    severity = Severity.HIGH


class NotStated(Rejected):
    """The configuration lacks what a delivery must be held against (an account, an audience, a URL): fail closed."""

    status = 401
    category = Category.AUTHENTICATION_FAILED
    severity = Severity.HIGH


class StaleDelivery(Rejected):
    """Signed too long ago, or for a time to come: a replay, or a clock that is wrong."""

    status = 401
    category = Category.AUTHENTICATION_FAILED


class ForeignSender(Rejected):
    """From an address, account, topic or origin that the integration does not allow."""

    status = 403
    category = Category.AUTHENTICATION_FAILED


class UsedToken(Rejected):
    """A one-time token that came before, with another event."""

    status = 401
    category = Category.AUTHENTICATION_FAILED


class MalformedBody(Rejected):
    """A body that cannot be the provider's, and in which the signature would have to stand."""


class EmptyBody(Rejected):
    """The provider never sends an empty body."""


class WrongAccount(Rejected):
    """Signed by a known key, but for another account than the one this integration is bound to."""

    status = 403
    category = Category.AUTHENTICATION_FAILED


class BodyTooLarge(Rejected):
    """The body exceeds what can be queued."""

    status = 413


class Temporary(HubError):
    """Trouble that time heals. `retry_after_seconds` is the other side's own wish, if it stated one."""

    category = Category.SERVER_ERROR
    severity = Severity.LOW

    def __init__(
        self,
        message: str,
        *,
        category: Category | None = None,
        severity: Severity | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, category=category, severity=severity)
        self.retry_after_seconds = retry_after_seconds


class QueueUnavailable(Temporary):
    """The queue did not confirm that it keeps an event."""

    severity = Severity.HIGH


class LedgerUnavailable(Temporary):
    """The ledger could not be read or written."""

    severity = Severity.HIGH


class BodyUnavailable(Temporary):
    """A body that is kept outside the queue could not be written or read."""

    severity = Severity.HIGH


class SourceUnavailable(Temporary):
    """A certificate or key of the provider could not be fetched, so that a delivery could not be verified yet."""


class TokensUnavailable(Temporary):
    """The one-time tokens could not be read or written."""


class Contended(Temporary):
    """Work that collided with other work at the destination (a deadlock, a lock that was not given up in time)."""


class Unavailable(Temporary):
    """The destination as a whole cannot serve: down, unreachable, in maintenance, or refusing our credentials."""

    severity = Severity.HIGH


class SecretUnavailable(Unavailable):
    """A secret could not be read: our trouble, never the sender's."""

    severity = Severity.HIGH


class NoAnswer(Unavailable):
    """The call went out and nothing tells what became of it: no answer in time, or one that says nothing."""


class Parked(HubError):
    """The event waits for something named, and blocks nothing meanwhile. `waits_for` is the entity of the same source
    whose document must exist first (`shop-eu/order/820982911946154508`), or hub.ledger.A_PERSON."""

    severity = Severity.LOW

    def __init__(self, message: str, *, waits_for: str, at_most_seconds: float | None = None) -> None:
        super().__init__(message)
        self.waits_for = waits_for
        self.at_most_seconds = at_most_seconds


class Permanent(HubError):
    """Trying again changes nothing until a person changes something."""


class BodyLost(Permanent):
    """A body that was kept outside the queue is gone, or no longer what it was."""

    category = Category.DATA_VALIDATION_FAILED
    severity = Severity.HIGH


class Unreadable(Permanent):
    """A verified body that does not say what its type promises."""

    category = Category.DATA_VALIDATION_FAILED


class TotalMismatch(Permanent):
    """The amounts of a document do not add up to the total that the provider charged."""

    category = Category.DATA_VALIDATION_FAILED
    severity = Severity.HIGH


class NotConfigured(Permanent):
    """The configuration has no answer for what this event needs; the message says which setting to add."""

    category = Category.DATA_VALIDATION_FAILED


class Refused(Permanent):
    """The destination refuses this document; the message carries its own words."""

    category = Category.DATA_VALIDATION_FAILED


class BatchRefused(Refused):
    """The destination refuses a call with several events as a whole: one of them may be to blame."""


class AnswerTooLarge(Permanent):
    """An answer larger than a function's memory has room for."""

    category = Category.DATA_VALIDATION_FAILED


class RetriesExhausted(Permanent):
    """A temporary trouble outlasted the time that the flow's retry policy allows."""


class ParentMissing(Permanent):
    """What a parked event waited for did not come in the time that its flow allows."""

    category = Category.DATA_VALIDATION_FAILED
