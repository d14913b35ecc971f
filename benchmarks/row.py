"""One line of the benchmarks' table."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A measure against its yardstick. `ok` is None where nothing is demanded."""

    measure: str
    yardstick: str
    value: float
    target: str = ""
    ok: bool | None = None
    unit: str = ""

    def shown(self, value: float) -> str:
        """A value of it, for a person."""
        digits = 0 if abs(value) >= 100 or value == int(value) else 2
        return f"{value:,.{digits}f} {self.unit}".strip()


def at_most(measure: str, yardstick: str, value: float, limit: float, unit: str = "") -> Row:
    """A measure that should not be more."""
    return Row(measure, yardstick, value, f"≤ {limit:,g} {unit}".strip(), value <= limit, unit)


def at_least(measure: str, yardstick: str, value: float, limit: float, unit: str = "") -> Row:
    """A measure that should not be less."""
    return Row(measure, yardstick, value, f"≥ {limit:,g} {unit}".strip(), value >= limit, unit)


def stated(measure: str, yardstick: str, value: float, unit: str = "") -> Row:
    """A measure of which nothing is demanded."""
    return Row(measure, yardstick, value, unit=unit)
