"""The local AWS starts where it should, keeps what it should, and always ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infra.local import ministack
from infra.local.ministack import HOST, ROOT, LocalAwsFailed, MiniStack, PortTaken, free_port

pytestmark = pytest.mark.local_aws

OWNER = """
import sys, time
from pathlib import Path
from infra.local.ministack import MiniStack
aws = MiniStack(Path(sys.argv[1]), port=int(sys.argv[2]), keep_state=True)
aws.start()
aws.client("sqs").create_queue(QueueName="orders")
print(aws._process.pid, flush=True)
time.sleep(60)
"""


def process_of(aws: MiniStack) -> int:
    assert aws._process
    return aws._process.pid


def listening_addresses(pid: int) -> set[tuple[str, int]]:
    """Where a process accepts TCP connections, IPv4 and IPv6, as Linux tells."""
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.exists() or path.is_symlink()]
    sockets = {match[1] for link in links if (match := re.fullmatch(r"socket:\[(\d+)]", link))}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == "0A" and fields[9] in sockets:  # 0A: LISTEN
                numbers = bytes.fromhex(address)[::-1] if table == "tcp" else b""
                found.add((socket.inet_ntoa(numbers) if numbers else address, int(port, 16)))
    return found


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    with MiniStack(tmp_path, port=0) as aws:
        addresses = listening_addresses(process_of(aws))

    assert addresses == {(HOST, aws.port)}


def test_a_taken_port_is_named_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PortTaken, match=f"^port {port} of 127.0.0.1 is taken.*stop that program") as refusal:
            MiniStack(tmp_path, port=port).start()

    assert "\n" not in str(refusal.value)


def test_a_clean_stop_keeps_the_state_when_asked_to(tmp_path: Path) -> None:
    with MiniStack(tmp_path, port=0, keep_state=True) as aws:
        queue = aws.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
        aws.client("sqs").send_message(QueueUrl=queue, MessageBody="kept")
        aws.client("s3").create_bucket(Bucket="files")
        aws.client("s3").put_object(Bucket="files", Key="a.csv", Body=b"kept as well")
    with MiniStack(tmp_path, port=aws.port, keep_state=True) as again:
        messages = again.client("sqs").receive_message(QueueUrl=queue)["Messages"]
        file = again.client("s3").get_object(Bucket="files", Key="a.csv")["Body"].read()

    assert [message["Body"] for message in messages] == ["kept"]
    assert file == b"kept as well"


def test_without_being_asked_it_keeps_nothing(tmp_path: Path) -> None:
    with MiniStack(tmp_path, port=0) as aws:
        aws.client("sqs").create_queue(QueueName="orders")
    with MiniStack(tmp_path, port=0) as again:
        queues = again.client("sqs").list_queues()

    assert "QueueUrls" not in queues or queues["QueueUrls"] == []


def test_one_that_hangs_is_killed_and_the_loss_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ministack, "STOP_SECONDS", 0.3)
    said: list[str] = []
    aws = MiniStack(tmp_path, port=0, keep_state=True, say=said.append)
    aws.start()
    pid = process_of(aws)
    os.kill(pid, signal.SIGSTOP)

    clean = aws.stop()

    assert clean is False
    assert not Path(f"/proc/{pid}").exists()
    assert len(said) == 1
    assert "What changed since the last clean stop is lost" in said[0]


def test_one_that_has_ended_by_itself_was_not_stopped_cleanly(tmp_path: Path) -> None:
    aws = MiniStack(tmp_path, port=0, keep_state=True)
    aws.start()
    os.kill(process_of(aws), signal.SIGKILL)
    while aws.running:
        time.sleep(0.01)

    assert aws.stop() is False


def test_one_that_ends_while_starting_shows_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise SystemExit('no space left')")
    monkeypatch.setattr(ministack, "EMULATOR", broken)
    aws = MiniStack(tmp_path / "aws", port=0)

    with pytest.raises(LocalAwsFailed, match="no space left"):
        aws.start()

    assert not aws.running


def test_it_ends_and_saves_when_its_owner_is_killed(tmp_path: Path) -> None:
    port = free_port()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, tmp_path, str(port)], cwd=ROOT, stdout=subprocess.PIPE)
    assert owner.stdout
    pid = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    wait_for_the_end(pid)

    with MiniStack(tmp_path, port=port, keep_state=True) as aws:
        queues = aws.client("sqs").list_queues()["QueueUrls"]

    assert queues == [f"{aws.endpoint}/000000000000/orders"]


def test_it_inherits_nothing_of_the_person_who_starts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a real key")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    with MiniStack(tmp_path, port=0) as aws:
        environment = Path(f"/proc/{process_of(aws)}/environ").read_bytes()

    assert b"AWS_SECRET_ACCESS_KEY=test" in environment
    assert not re.search(rb"production|a real key|proxy\.example", environment)


def test_its_clients_ignore_an_endpoint_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert MiniStack(tmp_path, port=4000).client("sqs").meta.endpoint_url == "http://127.0.0.1:4000"


def wait_for_the_end(pid: int, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except FileNotFoundError:
            return
        if state == "Z":  # ended; whoever inherited it has not asked yet
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there after {seconds} s")
