"""The local AWS's life cycle: start it on 127.0.0.1, wait until it answers, stop it so that its state is on disk."""

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
PORT = 4566
REGION = "us-east-1"
ACCOUNT = "000000000000"
CREDENTIALS = {
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
}  # MiniStack's root; no account accepts them

PYTHON = ROOT / ".venv-aws" / "bin" / "python"
EMULATOR = Path(__file__).with_name("emulator.py")

HEALTH = "/_ministack/health"
START_SECONDS = 60.0  # it takes 0.6 s on a quiet machine
STOP_SECONDS = 20.0  # 2 s are usual; a function that hangs, or a custom resource, can keep it for ever
WARM_SECONDS = 86_400  # a function's idle process is kept for a day, so that a running hub never starts cold


class LocalAwsFailed(Exception):
    """The local AWS did not start; the message says why and what to do."""


class PortTaken(LocalAwsFailed):
    """Another program listens where the local AWS should."""


class MiniStack:
    """One local AWS whose files are all in `folder`.

    `port` 0 takes a free one. With `keep_state`, a clean stop saves everything and the next start has it again (a kill
    loses what came after the last clean stop). With `enforce_iam`, every call is checked against its caller's policies.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = PORT,
        keep_state: bool = False,
        enforce_iam: bool = True,
        say: Callable[[str], None] = print,
    ) -> None:
        self.folder = folder
        self.port = port
        self.keep_state = keep_state
        self.enforce_iam = enforce_iam
        self.log = folder / "ministack.log"
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """The URL that every AWS service is called at."""
        return f"http://{HOST}:{self.port}"

    @property
    def running(self) -> bool:
        """True from the start until the process ends, by us or by itself."""
        return self._process is not None and self._process.poll() is None

    def client(self, service: str) -> Any:
        """A client of one AWS service here, whatever account the environment names.

        Its credentials are the account's root: IAM does not hold it back.
        """
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **CREDENTIALS)  # type: ignore[call-overload]

    def start(self) -> None:
        """Start and wait until it answers. Raises PortTaken or LocalAwsFailed; nothing is left running then."""
        if not PYTHON.exists():
            raise LocalAwsFailed("the local AWS is not installed: run `make setup` first")
        self.port = self.port or free_port()
        _require_free(self.port)
        for name in ("tmp", "state", "s3"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        _empty(self.folder / "tmp")  # unpacked functions of a run that was killed
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [PYTHON, "-P", EMULATOR],
                env=self._environment(),
                cwd=self.folder,
                stdin=subprocess.PIPE,  # its closing tells the emulator that we are gone
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a Ctrl-C is ours: the emulator is stopped by stop(), once
            )
        try:
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """Stop and wait for the end. True when it was clean, so that a kept state is on disk; one that has ended by
        itself has saved nothing."""
        if self._process is None:
            return True
        was_running = self.running
        process, self._process = self._process, None
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            lost = " What changed since the last clean stop is lost." if self.keep_state else ""
            self._say(f"The local AWS did not stop within {STOP_SECONDS:.0f} s and was killed.{lost}")
            return False
        finally:
            if process.stdin:
                process.stdin.close()
        return was_running

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _environment(self) -> dict[str, str]:
        # Functions inherit all of it, so it holds nothing of the person's own: no credentials, no proxies, no profile.
        keep = "1" if self.keep_state else "0"
        return {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder / "tmp"),
            "STATE_DIR": str(self.folder / "state"),
            "S3_DATA_DIR": str(self.folder / "s3"),
            "PERSIST_STATE": keep,
            "S3_PERSIST": keep,
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,  # queue URLs name the address that it listens at
            "IOT_MTLS_ENABLED": "0",  # it would listen on every interface
            "AUTH": "true" if self.enforce_iam else "false",
            "LAMBDA_WARM_TTL_SECONDS": str(WARM_SECONDS),
            "LOG_LEVEL": "WARNING",
            "PYTHONUNBUFFERED": "1",
            **{name.upper(): value for name, value in CREDENTIALS.items()},
        }

    def _wait_until_healthy(self) -> None:
        began = time.monotonic()
        told = began
        while not _healthy(self.port):
            if not self.running:
                raise LocalAwsFailed(f"the local AWS ended while it started; the end of {self.log}:\n{self._log_end()}")
            now = time.monotonic()
            if now - began > START_SECONDS:
                raise LocalAwsFailed(f"the local AWS did not answer within {START_SECONDS:.0f} s; see {self.log}")
            if now - told > 5:
                self._say(f"  waiting for the local AWS ({now - began:.0f} s)")
                told = now
            time.sleep(0.05)

    def _log_end(self, characters: int = 1500) -> str:
        return self.log.read_text(errors="replace")[-characters:]


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens at."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left is free
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortTaken(
                f"port {port} of {HOST} is taken, perhaps by another local AWS: "
                f"stop that program (`ss -ltnp sport = :{port}` names it) and try again"
            ) from error


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", HEALTH)
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
