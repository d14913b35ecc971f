"""How the ledger's items keep moments: as microseconds since 1970, a number of 9 bytes where a text takes 32."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def kept(moment: datetime) -> dict[str, str]:
    """A moment as an attribute's value."""
    return {"N": str((moment - EPOCH) // MICROSECOND)}


def moment_of(attribute: Mapping[str, Any]) -> datetime:
    """The moment of an attribute's value, which formerly was an ISO 8601 text; raises ValueError for anything else."""
    if "N" in attribute:
        return EPOCH + int(attribute["N"]) * MICROSECOND
    return datetime.fromisoformat(attribute["S"])


def either(moment: datetime) -> dict[str, dict[str, str]]:
    """Values for the condition `… IN (:then, :formerly)`: a moment as it is kept, and as it was kept formerly."""
    return {":then": kept(moment), ":formerly": {"S": moment.isoformat()}}
