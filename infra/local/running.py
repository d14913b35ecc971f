"""What is up: where the local AWS and the ERPNext stand-in answer, noted in .local/ for as long as `make run` is up."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
STATE = Path(os.environ.get("HUB_LOCAL_STATE") or ROOT / ".local")
NOTE = STATE / "running.json"
LOCK = STATE / "running.lock"
DEFAULT_AWS_PORT = 4566
DEFAULT_ERP_PORT = 8410
LOCAL_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Running:
    """One `make run`: its process and the addresses of what it started; `erp_url` is "" without stand-in."""

    pid: int
    aws_url: str
    erp_url: str
    config_folder: str


def claim() -> IO[str] | None:
    """Be the one that is up, until the returned file is closed or this process ends, however it ends; None where
    another one is."""
    STATE.mkdir(exist_ok=True)
    lock = LOCK.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def note(running: Running) -> None:
    """Note what is up; only who has claimed it may."""
    fresh = NOTE.with_suffix(".new")
    fresh.write_text(json.dumps(asdict(running)))
    fresh.replace(NOTE)


def forget() -> None:
    """Nothing is up any more; only who has claimed it may say so."""
    NOTE.unlink(missing_ok=True)


def noted() -> Running | None:
    """What is up, or None. The note that a killed run left behind counts as none."""
    try:
        running = Running(**json.loads(NOTE.read_text()))
        with LOCK.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return running
    except (OSError, ValueError, TypeError):
        return None
    return None


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
