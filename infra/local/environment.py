"""The hub on this machine: the local AWS with the hub deployed in it, and the ERPNext stand-in, as one thing to start and stop."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit, urlunsplit

import yaml
from botocore.exceptions import BotoCoreError, ClientError

from hub import names
from hub.config import Config
from hub.errors import HubError
from infra.local.deploy import DeployFailed, deploy
from infra.local.ministack import LocalAwsFailed, MiniStack
from infra.local.running import (
    DEFAULT_AWS_PORT,
    DEFAULT_ERP_PORT,
    NOTE,
    STATE,
    Running,
    claim,
    forget,
    local_api_url,
    note,
    noted,
)
from infra.local.secrets import store_local_secrets
from infra.local.stand_in import GOODS, SAMPLES, StandIn, StandInFailed, set_up, stock
from infra.local.synthesis import SynthesisFailed, synthesize
from infra.local.warm_up import FunctionBroken, warm_up

LOOPBACK = {"127.0.0.1", "localhost"}
ERPNEXT = "erpnext"
ASSEMBLY = STATE / "assembly"
FINISH_SECONDS = 3.0


class CannotStart(Exception):
    """The environment cannot start; the message is what a person reads."""


@dataclass
class Environment:
    """What `make run` starts. `folder` holds the configuration that `config` was read from."""

    config: Config
    folder: Path
    aws_port: int = DEFAULT_AWS_PORT
    say: Callable[[str], None] = field(default_factory=lambda: tell)
    api_id: str = ""
    aws: MiniStack = field(init=False)
    stand_in: StandIn | None = field(init=False, default=None)
    _claim: IO[str] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.aws = MiniStack(aws_folder(self.aws_port), port=self.aws_port, keep_state=True, say=self.say)
        if url := stand_in_url(self.config):
            port = urlsplit(url).port or 80
            name = "erpnext" if port == DEFAULT_ERP_PORT else f"erpnext-{port}"
            self.stand_in = StandIn(STATE / f"{name}.sqlite3", port, STATE / f"{name}.log")

    def start(self) -> None:
        """Start everything, telling each step; raises CannotStart with nothing left running."""
        self._claim = claim()
        if self._claim is None:
            other = noted()
            state = f"up (process {other.pid}, local AWS at {other.aws_url})" if other else "being started or stopped"
            raise CannotStart(f"The hub is already {state}: use that one, or stop it with Ctrl-C in its terminal.")
        try:
            self._check_ports()
        except CannotStart:
            self.stop()
            raise
        try:
            self._start()
        except (LocalAwsFailed, StandInFailed, DeployFailed, FunctionBroken, SynthesisFailed, HubError) as error:
            self.stop()
            raise CannotStart(_capital(str(error))) from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """Stop everything in bounded time; the state stays. False where some of it was lost."""
        if self.aws.running:
            self._let_finish()
        clean = self.aws.stop()
        if self.stand_in:
            self.stand_in.stop()
        if self._claim:
            forget()
            self._claim.close()
            self._claim = None
        return clean

    def fallen(self) -> str:
        """What of it has ended by itself, in a sentence; "" while all is well."""
        if not self.aws.running:
            return (
                "The local AWS has ended by itself, and what came since its start is lost: it saves when it is stopped. "
                f"See {self.aws.log}."
            )
        if self.stand_in and not self.stand_in.running:
            return f"The ERPNext stand-in has ended by itself; see {self.stand_in.log}."
        return ""

    def webhook_url(self, integration: str) -> str:
        """Where the integration's provider sends to."""
        return local_api_url(self.aws.endpoint, self.api_id) + names.webhook_path(integration)

    def client(self, service: str) -> Any:
        """A client of the local AWS."""
        return self.aws.client(service)

    def _start(self) -> None:
        with step(self.say, "CDK app synthesized") as told:
            before = _made_at(ASSEMBLY)
            synthesize(self.config.stage, ASSEMBLY, self.folder)
            told.detail = "nothing has changed" if _made_at(ASSEMBLY) == before else ""
        if self.stand_in:
            with step(self.say, f"ERPNext stand-in at {self.stand_in.url}"):
                self.stand_in.start()
                stock(self.stand_in.url, (*GOODS, *SAMPLES), received=1_000)
        with step(self.say, f"local AWS at {self.aws.endpoint}"):
            self.aws.start()
        note(Running(os.getpid(), self.aws.endpoint, self.stand_in.url if self.stand_in else "", str(self.folder)))
        with step(self.say, "hub deployed to it") as told:
            lines: list[str] = []
            self.api_id = deploy(self.aws, ASSEMBLY, lines.append)["ApiId"]
            told.detail = lines[-1].strip().partition(" (")[0] if lines else ""
        stand_ins = {name for name, each in self.config.integrations.items() if each.connector == ERPNEXT}
        with step(self.say, "secrets in Secrets Manager") as told:
            stored = store_local_secrets(
                self.client("secretsmanager"), self.config, stand_ins if self.stand_in else set()
            )
            told.detail = f"local ones for {', '.join(stored)}" if stored else "as they were"
        if self.stand_in:
            with step(self.say, "custom fields in ERPNext") as told:
                made = set_up(self.stand_in.url)
                told.detail = f"{len(made)} made" if made else "as they were"
        with step(self.say, "functions warm") as told:
            told.detail = f"{warm_up(self.aws, self.config.stage)} processes"

    def _let_finish(self) -> None:
        """Wait a moment for events at work: one that is interrupted stays hidden until its queue's timeout, minutes
        after the next start."""
        until = time.monotonic() + FINISH_SECONDS
        try:
            while time.monotonic() < until and any(self.at_work(flow) for flow in self.config.flows):
                time.sleep(0.1)
        except (BotoCoreError, ClientError):
            return  # not deployed, or ended by itself

    def at_work(self, flow: str) -> int:
        """How many events of a flow are being delivered or hidden until their next try."""
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=names.queue(self.config.stage, flow))["QueueUrl"]
        hidden = "ApproximateNumberOfMessagesNotVisible"
        return int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=[hidden])["Attributes"][hidden])

    def _check_ports(self) -> None:
        wanted = [(self.aws_port, "the local AWS", "HUB_LOCAL_AWS_PORT")]
        if self.stand_in:
            wanted.append((urlsplit(self.stand_in.url).port or 80, "the ERPNext stand-in", "HUB_LOCAL_ERP_PORT"))
        for port, what, variable in wanted:
            if not wait_until_free(port):
                raise CannotStart(
                    f"Port {port} of 127.0.0.1 is taken, and {what} needs it: stop the program that holds it "
                    f"(`ss -ltnp sport = :{port}` names it), or choose another port: {variable}={port + 1} make run."
                )


def tell(text: str) -> None:
    """Print a line; a terminal that was closed meanwhile hears nothing, and nothing fails for it."""
    with suppress(OSError):
        print(text, flush=True)


@dataclass
class Told:
    """What a step adds to its line when it is done."""

    detail: str = ""


@contextmanager
def step(say: Callable[[str], None], what: str) -> Iterator[Told]:
    """One line when the step is done, with its duration; on a terminal also while it lasts."""
    began = time.monotonic()
    live = say is tell and sys.stdout.isatty()
    if live:
        print(f"  … {what}", end="", flush=True)
    told = Told()
    try:
        yield told
    except BaseException:
        say(f"{_erase(live)}  ✗ {what}")
        raise
    detail = f": {told.detail}" if told.detail else ""
    say(f"{_erase(live)}  ✓ {what}{detail} ({time.monotonic() - began:.1f} s)")


def with_erp_port(config: Config, port: int, folder: Path) -> Config:
    """The configuration with the stand-in at another port, written to `folder` for all who read it there."""
    integrations = {
        name: each.model_copy(update={"url": _at_port(each.url, port)})
        if each.url and each.connector == ERPNEXT and urlsplit(each.url).hostname in LOOPBACK
        else each
        for name, each in config.integrations.items()
    }
    moved = config.model_copy(update={"integrations": integrations})
    folder.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_dump(moved.model_dump(mode="json", exclude_none=True), sort_keys=False)
    (folder / f"{config.stage}.yaml").write_text(content)
    return moved


def stand_in_url(config: Config) -> str:
    """Where the configuration expects the stand-in: at the URL of an ERPNext on this machine. "" where it has none."""
    for each in config.integrations.values():
        if each.connector == ERPNEXT and each.url and urlsplit(each.url).hostname in LOOPBACK:
            return each.url.rstrip("/")
    return ""


def aws_folder(port: int) -> Path:
    """Where the local AWS of a port keeps its state: its queues' URLs name the port, so that each has its own."""
    return STATE / ("aws" if port == DEFAULT_AWS_PORT else f"aws-{port}")


def wait_until_free(port: int, seconds: float = 3.0) -> bool:
    """Whether nothing listens at a port of 127.0.0.1, or stops to within a moment: a killed run's children do."""
    patience = seconds if NOTE.exists() else 0.0
    until = time.monotonic() + patience
    while True:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                if time.monotonic() >= until:
                    return False
            else:
                return True
        time.sleep(0.1)


def _made_at(assembly: Path) -> int:
    manifest = assembly / "manifest.json"
    return manifest.stat().st_mtime_ns if manifest.exists() else 0


def _at_port(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _erase(live: bool) -> str:
    return "\r\x1b[2K" if live else ""
