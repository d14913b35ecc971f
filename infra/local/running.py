"""What is up: where the local AWS and the ERPNext stand-in answer, noted in .local/ for as long as `make run` is up."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".local"
NOTE = STATE / "running.json"
DEFAULT_AWS_PORT = 4566
DEFAULT_ERP_PORT = 8410
LOCAL_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Running:
    """One `make run`: its process and the addresses of what it started; `erp_url` is "" without stand-in."""

    pid: int
    aws_url: str
    erp_url: str

    def alive(self) -> bool:
        """Whether the process that wrote the note still exists: a killed one leaves its note behind."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def note(running: Running) -> None:
    """Note what is up."""
    STATE.mkdir(exist_ok=True)
    fresh = NOTE.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(running)))
    fresh.replace(NOTE)


def noted() -> Running | None:
    """What is up, or None. The note of a killed run counts as none."""
    try:
        running = Running(**json.loads(NOTE.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return running if running.alive() else None


def forget() -> None:
    """Nothing of this process is up any more."""
    NOTE.unlink(missing_ok=True)


def local_aws_url() -> str:
    """Where the local AWS answers: as AWS_ENDPOINT_URL says, else as `make run` noted, else at its usual port."""
    if given := os.environ.get("AWS_ENDPOINT_URL"):
        return given.rstrip("/")
    running = noted()
    return running.aws_url if running else f"http://127.0.0.1:{DEFAULT_AWS_PORT}"


def local_api_url(aws_url: str, api_id: str) -> str:
    """Where the local AWS serves an HTTP API: by path, since its names do not resolve on every machine."""
    return f"{aws_url}/_aws/execute-api/{api_id}/$default"


def local_credentials() -> dict[str, str]:
    """The local AWS's own keys, for boto3: its root, whom no account anywhere knows."""
    return {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
