"""Run the stand-in alone: `python -m infra.local.erpnext --port 8410 --database .local/erpnext.sqlite3`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from infra.local.erpnext.server import ErpNextStandIn


def main() -> int:
    """Serve until SIGINT or SIGTERM; what was committed is in the database file."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.erpnext", description="The ERPNext stand-in")
    parser.add_argument("--port", type=int, default=8410, help="0 takes a free one")
    parser.add_argument("--database", default=":memory:", help="an SQLite file; without one nothing is kept")
    parser.add_argument(
        "--token", default="hub-key:hub-secret", help="API key and secret of the hub's user, for a new database"
    )
    parser.add_argument("--time-zone", default="America/New_York")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    if arguments.database != ":memory:":
        Path(arguments.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        standin = ErpNextStandIn(
            arguments.database, arguments.port, arguments.token, time_zone=arguments.time_zone, seed=arguments.seed
        )
    except OSError as error:
        print(
            f"The ERPNext stand-in cannot listen on port {arguments.port}: {error.strerror}. Give it another --port.",
            file=sys.stderr,
        )
        return 1
    with standin:
        print(f"ERPNext stand-in: {standin.url}", flush=True)
        stopped.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
