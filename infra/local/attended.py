"""Runs a module as its own process for as long as its owner lives: nothing is left behind by a `make run` that was killed."""

import os
import runpy
import signal
import sys
import threading


def _end_with_owner() -> None:
    """Stop as on Ctrl-C's gentler sibling when the owner's end of our input closes."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=_end_with_owner, daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
