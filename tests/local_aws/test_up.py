"""`make run` and `make demo` as a person uses them: started, tried, killed, started again, stopped, with the state kept."""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.configuration import CONFIG, load_stage
from infra.local.ministack import free_port
from infra.local.running import ROOT
from infra.local.up import up as start_up

pytestmark = pytest.mark.slow

START_SECONDS = 90.0
Hub = dict[str, str]


@pytest.fixture
def environment(tmp_path: Path) -> Hub:
    """A state and ports of its own, beside whatever runs on this machine."""
    ours = {
        "HUB_LOCAL_STATE": str(tmp_path / "state"),
        "HUB_LOCAL_AWS_PORT": str(free_port()),
        "HUB_LOCAL_ERP_PORT": str(free_port()),
        "COLUMNS": "100",
        "PYTHONUNBUFFERED": "1",
    }
    return {**os.environ, **ours}


@contextmanager
def up(environment: Hub) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """`make run` without make, once it says that it is up; whatever happens, it is gone afterwards."""
    command = [sys.executable, "-m", "infra.local", "up"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=_hear_interrupts,
    )
    assert process.stdout
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ctrl-C stops it"):
                break
        assert process.poll() is None, "".join(said)
        yield process, said
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def _hear_interrupts() -> None:
    """A shell starts what it runs in the background deaf to Ctrl-C, and so these tests, and all that they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(environment: Hub, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )


def test_the_demo_agrees_alone_beside_a_run_and_after_a_kill(environment: Hub) -> None:
    alone = run(environment, "infra.local", "demo")
    with up(environment) as (process, _):
        beside = run(environment, "infra.local", "demo")
        second = run(environment, "infra.local", "up")
        process.send_signal(signal.SIGKILL)
    after = run(environment, "infra.local", "demo")

    for each in (alone, beside, after):
        assert each.returncode == 0, each.stdout + each.stderr
        assert "All 10 answers and outcomes are as they must be" in each.stdout
    assert "Using the hub that is up" in beside.stdout
    assert (second.returncode, second.stderr) == (1, "")
    assert "The hub is already up (process" in second.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_stopped_is_found_again(environment: Hub, number: signal.Signals) -> None:
    config = str(Path(environment["HUB_LOCAL_STATE"]) / "config" / "local.yaml")
    with up(environment) as (process, said):
        sent = run(environment, "cli.main", "send", "shop-eu", "orders/create", "--config", config)
        process.send_signal(number)
        rest, _ = process.communicate(timeout=60)
    with up(environment) as (process, again):
        shown = run(environment, "cli.main", "events", "show", "820982911946154508", "--config", config)
        process.send_signal(number)
        process.communicate(timeout=60)

    assert process.returncode == 0
    assert (sent.returncode, shown.returncode) == (0, 0), sent.stderr + shown.stderr
    assert "Stopped after" in rest
    assert "SAL-ORD-" in shown.stdout
    assert _webhook_url(said) == _webhook_url(again)
    assert "nothing has changed" in "".join(again)


def test_a_broken_configuration_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "local.yaml").write_text((CONFIG / "local.yaml").read_text().replace("company:", "compny:"))
    monkeypatch.setattr("infra.local.up.load_stage", lambda stage: load_stage(stage, tmp_path))
    monkeypatch.setattr("infra.local.environment.Environment.start", lambda _: pytest.fail("it was started"))

    status = start_up(None, None)

    assert status == 1
    assert "flows.shop-eu-to-erp.settings.compny: is not a setting; did you mean company?" in capsys.readouterr().out


def test_a_terminal_that_is_closed_stops_it_cleanly(environment: Hub) -> None:
    terminal, ours = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.local", "up"],
        cwd=ROOT,
        env=environment,
        stdin=ours,
        stdout=ours,
        stderr=ours,
        start_new_session=True,
    )
    os.close(ours)
    said = b""
    while b"Ctrl-C stops it" not in said:
        said += os.read(terminal, 10_000)
    state = Path(environment["HUB_LOCAL_STATE"])
    noted = (state / "running.json").exists()
    os.close(terminal)  # whoever writes to it from now on fails
    process.send_signal(signal.SIGHUP)  # what the system sends to the leader of the session

    assert process.wait(60) == 0
    assert noted
    assert not (state / "running.json").exists()


def test_a_child_that_falls_is_told(environment: Hub) -> None:
    with up(environment) as (process, _):
        for child in _children(process.pid):
            if b"infra.local.attended" in child:
                os.kill(int(child.split()[0]), signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "The ERPNext stand-in has ended by itself; see" in rest


def test_a_port_in_use_is_one_sentence(environment: Hub) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", int(environment["HUB_LOCAL_ERP_PORT"])))
        other.listen()
        done = run(environment, "infra.local", "up")

    port = environment["HUB_LOCAL_ERP_PORT"]
    assert (done.returncode, done.stderr) == (1, "")
    assert f"Port {port} of 127.0.0.1 is taken, and the ERPNext stand-in needs it" in done.stdout
    assert "✓" not in done.stdout


def _webhook_url(said: list[str]) -> str:
    found = re.search(r"shop-eu +(http\S+/webhooks/shop-eu)", "".join(said))
    assert found, "".join(said)
    return found[1]


def _children(parent: int) -> list[bytes]:
    """The children of a process, each as its id and command line."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (process / "status").read_text(), (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in status:
            found.append(process.name.encode() + b" " + command.replace(b"\0", b" "))
    return found
