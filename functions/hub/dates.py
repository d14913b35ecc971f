"""What time it was at a source when it answered, by the answer's own Date header."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.connector import Answer


def date_of(answer: "Answer") -> datetime | None:
    """The moment in UTC; None where the header is missing or no date.

    A date that names no zone, or the zone `-0000`, is one in UTC (RFC 9110, section 5.6.7: a recipient takes it so),
    whatever the zone of the machine that reads it.
    """
    try:
        moment = parsedate_to_datetime(answer.headers.get("date", ""))
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter: a date at the edge of the calendar, in another zone
        return None
