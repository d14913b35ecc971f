"""A Lambda's process as the service runs it: the function's own `main.py`, one event after the other, stdout its log.

`python -m benchmarks.lambda_process webhooks.main`, run by `Process`: events come by standard input, answers go by the file
descriptor ANSWERS, both as a line of JSON.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]
READY = "ready"
SECONDS = 120.0  # that an invocation may last


@dataclass(frozen=True, slots=True)
class Context:
    """The part of a Lambda's context that the functions ask."""

    ends: float
    aws_request_id: str = "request-1"
    function_name: str = "benchmark"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:000000000000:function:benchmark"

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's."""
        return round((self.ends - time.monotonic()) * 1000)


class Process:
    """One process of a function; `log` is what it has written so far."""

    def __init__(self, module: str, variables: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        answers, theirs = os.pipe()
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'functions'}:{ROOT}", **variables}
        environment |= {"AWS_LAMBDA_FUNCTION_NAME": "benchmark", "ANSWERS": str(theirs)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.lambda_process", module],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=self._log,
            pass_fds=[theirs],
        )
        os.close(theirs)
        self._answers = os.fdopen(answers)
        if self._answers.readline().strip() != json.dumps(READY):
            raise RuntimeError(f"{module} did not start")

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """What the function returns for an event; raises RuntimeError where it ends instead."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps(event).encode() + b"\n")
        self._process.stdin.flush()
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"the function ended: {self.log[-2000:].decode(errors='replace')}")
        return json.loads(line)

    @property
    def log(self) -> bytes:
        """All that it has written."""
        self._log.seek(0)
        return self._log.read()

    @property
    def cpu_seconds(self) -> float:
        """The processor time that it has taken."""
        told = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK")  # man 5 proc: utime, stime

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)
        self._answers.close()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()


def main() -> None:
    """Serve until standard input ends."""
    with os.fdopen(int(os.environ.pop("ANSWERS")), "w", buffering=1) as answers:
        handler = import_module(sys.argv[1]).handler
        print(json.dumps(READY), file=answers)
        for line in sys.stdin:
            print(json.dumps(handler(json.loads(line), Context(time.monotonic() + SECONDS))), file=answers)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
