"""A stage in an imitated AWS account, and the `hub` command that speaks to it."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws
from typer.testing import CliRunner, Result

from cli.main import app
from hub import names
from infra.configuration import CONFIG
from tests.ledger_table import table

STAGE = "staging"
REGION = "eu-central-1"
SIGNING = "a-signing-secret-nobody-may-see"
SESSION = boto3.Session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
API_KEY = "an-api-key-nobody-may-see"
API_SECRET = "an-api-secret-nobody-may-see"


@dataclass
class Web:
    """A server on this machine: it notes what comes and answers what it was told to."""

    url: str = ""
    came: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    answer: tuple[int, bytes] = (200, b"{}")


@pytest.fixture
def web() -> Iterator[Web]:
    seen = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.came.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, content = seen.answer
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the name that http.server looks for

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield seen
    server.shutdown()
    server.server_close()


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An imitated AWS account; nothing of the machine's own AWS settings counts."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "HUB_STAGE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("boto3.Session", lambda **_: SESSION)  # each new one reads AWS's descriptions again: 0.1 s
    with mock_aws():
        yield


@pytest.fixture
def stage(account: None, tmp_path: Path) -> "Stage":
    """A stage on AWS."""
    return Stage(tmp_path / f"{STAGE}.yaml", STAGE)


@pytest.fixture
def local_stage(account: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Stage":
    """The stage on this machine, with the imitated account in place of the local AWS."""
    monkeypatch.setattr("cli.stage.local_aws_url", lambda: None)
    return Stage(tmp_path / "local.yaml", "local")


@dataclass
class Stage:
    """The shipped local configuration as another stage. Nothing of it is deployed at first."""

    config: Path
    name: str

    def __post_init__(self) -> None:
        content = yaml.safe_load((CONFIG / "local.yaml").read_text())
        content |= {"stage": self.name, "region": REGION}
        content["integrations"]["erp"]["url"] = "https://erp.example.com"
        self.write(content)

    def write(self, content: dict[str, Any]) -> None:
        self.config.write_text(yaml.safe_dump(content))

    def with_erp(self, url: str) -> None:
        content = yaml.safe_load(self.config.read_text())
        content["integrations"]["erp"]["url"] = url
        self.write(content)

    def deploy(self) -> None:
        """What a deployment makes, as far as the commands look at it."""
        for integration in ("shop-eu", "erp"):
            self.client("secretsmanager").create_secret(Name=names.secret(self.name, integration), SecretString="{}")
        for name in (names.ledger_table(self.name), names.trail_table(self.name)):
            self.client("dynamodb").create_table(**table(name))

    def client(self, service: str) -> Any:
        return SESSION.client(service)  # type: ignore[call-overload]

    def secrets(self, integration: str) -> dict[str, str]:
        answer = self.client("secretsmanager").get_secret_value(SecretId=names.secret(self.name, integration))
        stored: dict[str, str] = json.loads(answer["SecretString"])
        return stored

    def store(self, integration: str, **values: str) -> None:
        self.client("secretsmanager").put_secret_value(
            SecretId=names.secret(self.name, integration), SecretString=json.dumps(values)
        )

    def hub(self, *arguments: str, stdin: str = "") -> Result:
        """Run `hub …` on this stage."""
        return run(*arguments, "--config", str(self.config), stdin=stdin)


def run(*arguments: str, stdin: str = "") -> Result:
    """Run `hub …`; a bug shows as the exception that it is."""
    result = CliRunner().invoke(app, list(arguments), input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    for secret in (SIGNING, API_KEY, API_SECRET):
        assert secret not in result.output
    return result
