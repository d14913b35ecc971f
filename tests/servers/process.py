"""How a server's process is found, started as a user that it accepts, awaited and ended."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path

WAIT_SECONDS = 60.0
ORDINARY = "nobody"  # database servers refuse to run as root


def binary(*names: str) -> str:
    """Where one of these programs is; a pattern may name places outside PATH."""
    for name in names:
        found = shutil.which(name) or next(iter(sorted(glob(name), reverse=True)), None)
        if found:
            return found
    raise AssertionError(f"this machine has no {names[0]}: install the server's package; its suite must not be skipped")


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Account:
    """Whom a server runs as."""

    uid: int
    gid: int

    @classmethod
    def ordinary(cls) -> "Account":
        """This user, or an ordinary one where this is root."""
        if os.getuid():
            return cls(os.getuid(), os.getgid())
        entry = pwd.getpwnam(ORDINARY)
        return cls(entry.pw_uid, entry.pw_gid)

    def owns(self, folder: Path) -> Path:
        """Give a folder to it."""
        os.chown(folder, self.uid, self.gid)
        return folder

    def run(self, *command: str) -> None:
        """Run a command to its end."""
        done = subprocess.run(
            command,
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            user=self.uid,
            group=self.gid,
            extra_groups=[],
        )
        assert done.returncode == 0, f"{command[0]} failed: {done.stdout}{done.stderr}"


@contextmanager
def folder_of(account: Account) -> Iterator[Path]:
    """A folder that the server can reach and that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="hub-server-"))
    try:
        yield account.owns(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running(
    command: Sequence[str], account: Account, folder: Path, serves: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """A server's process, once it serves."""
    log = folder / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command, cwd="/", stdout=file, stderr=file, user=account.uid, group=account.gid, extra_groups=[]
        )
    try:
        until = time.monotonic() + WAIT_SECONDS
        while not serves():
            assert process.poll() is None, f"{command[0]} ended: {log.read_text('utf-8', 'replace')[-2000:]}"
            assert time.monotonic() < until, f"{command[0]} does not serve: {log.read_text('utf-8', 'replace')[-2000:]}"
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGINT if "postgres" in command[0] else signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
