"""The tables of docs/alarms.md and docs/dashboards.md, written from what the code says: python -m infra.tables"""

import re
from collections.abc import Iterator
from pathlib import Path

from hub.metrics import CATALOGUE
from infra.alarm_kinds import KINDS

DOCS = Path(__file__).resolve().parents[1] / "docs"
BEGIN, END = "<!-- table: {} -->", "<!-- end of table -->"


def alarms() -> Iterator[str]:
    """Every kind of alarm."""
    yield "| alarm | of | watches | rings | tells |"
    yield "|---|---|---|---|---|"
    for kind in KINDS.values():
        tells = kind.severity or "through its composite"
        yield f"| [{kind.name}](runbooks/{kind.name}.md) | {kind.of} | {kind.watches} | {kind.when} | {tells} |"


def metrics() -> Iterator[str]:
    """Every metric."""
    yield "| metric | unit | by | counted by | meaning |"
    yield "|---|---|---|---|---|"
    for metric in CATALOGUE.values():
        by = "; ".join(
            " + ".join(each for each in dimensions if each != "stage") or "hub" for dimensions in metric.dimensions
        )
        yield f"| {metric.name} | {metric.unit} | {by} | {metric.emitter} | {metric.meaning} |"


def with_tables(text: str) -> str:
    """A page with its tables as they should be."""
    for name, rows in (("alarms", alarms()), ("metrics", metrics())):
        begin = BEGIN.format(name)
        table = "\n".join([begin, *rows, END])
        text = re.sub(f"{re.escape(begin)}.*?{re.escape(END)}", lambda _, table=table: table, text, flags=re.DOTALL)  # type: ignore[misc]
    return text


def main() -> None:
    """Write them."""
    for page in ("alarms.md", "dashboards.md"):
        path = DOCS / page
        path.write_text(with_tables(path.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
