"""What a cold start costs, in instructions, against the yardstick of a process that makes one client of boto3's.

Counted by valgrind, which neither the machine's load nor its speed can disturb; where there is no valgrind, processor
time is compared instead, over many turns. Both read byte-code that is valid, as on Lambda. Usage:

    python -m benchmarks.init
"""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import yaml

from hub.settings import DeliverySettings, SyncSettings, WebhookSettings
from infra.bundle import LOCAL_PYTHON, ROOT, Kind, Target, bundles

CACHE = ROOT / "build" / "benchmarks-byte-code"
KEYS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "HOME": "/nonexistent",
    "PATH": "/usr/bin:/bin",
    "PYTHONHASHSEED": "0",
}
QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/hub-test-shop-eu-to-erp.fifo"
TURNS = 9
COUNTED = re.compile(r"I +refs: +([\d,]+)")
COMPILED = re.compile(r"^# code object from '?([^'\n]+?)'?$", re.MULTILINE)
YARDSTICK = "boto3.client('sqs')"


@dataclass(frozen=True)
class Start:
    """A process whose start is measured."""

    program: str
    path: Path  # where it imports from, and from nowhere else
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """Without `site`, so that no package of the interpreter's own is lent."""
        return [str(LOCAL_PYTHON), "-S", "-c", self.program]

    def variables(self) -> dict[str, str]:
        """The whole environment."""
        return {**KEYS, **self.environment, "PYTHONPATH": str(self.path)}


def starts() -> dict[str, Start]:
    """The yardstick, and each Lambda as its bundle holds it, configured as the local stage's."""
    folder = bundles(Target.LOCAL, ROOT / "build" / Target.LOCAL)
    stock = Path(boto3.__file__).parent.parent
    return {
        YARDSTICK: Start("import boto3; boto3.client('sqs')", stock, {"PYTHONPYCACHEPREFIX": str(CACHE)}),
        "webhook": Start("import webhooks.main", folder / Kind.WEBHOOK, _webhook().to_env()),
        "delivery": Start("import delivery.main", folder / Kind.FUNCTIONS, _delivery().to_env()),
        "sync": Start("import sync.main", folder / Kind.FUNCTIONS, _sync().to_env()),
    }


def _webhook() -> WebhookSettings:
    return WebhookSettings("test", "shop-eu", "shopify", "hub/test/shop-eu", [QUEUE], "bodies", "ledger")


def _delivery() -> DeliverySettings:
    local: dict[str, Any] = yaml.safe_load((ROOT / "config" / "local.yaml").read_text("utf-8"))
    return DeliverySettings(
        stage="test",
        flow="shop-eu-to-erp",
        source_connector="shopify",
        destination="erp",
        destination_connector="erpnext",
        destination_url="https://erp.example.com",
        destination_secret_id="hub/test/erp",  # noqa: S106 - a name
        queue_url=QUEUE,
        dead_letter_queue_url=QUEUE,
        ledger_table="ledger",
        bodies_bucket="bodies",
        actions={"shopify.orders/create": "upsert_sales_order"},
        flow_settings=local["flows"]["shop-eu-to-erp"]["settings"],
    )


def _sync() -> SyncSettings:
    shop = "https://shop-eu.myshopify.com"
    return SyncSettings("test", "shop-eu", "shopify", shop, "hub/test/shop-eu", [QUEUE], "bodies", "ledger")


def instructions(start: Start) -> int:
    """How many instructions a start takes; the same to a hundredth each time."""
    valgrind = shutil.which("valgrind")
    assert valgrind
    tool = [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    done = subprocess.run([*tool, *start.command()], env=start.variables(), capture_output=True, text=True, check=True)
    found = COUNTED.search(done.stderr)
    assert found, done.stderr[-2000:]
    return int(found[1].replace(",", ""))


def processor_seconds(start: Start) -> float:
    """The processor time of one start, its own and the system's on its behalf."""
    child = os.posix_spawn(str(LOCAL_PYTHON), start.command(), start.variables())
    _, status, used = os.wait4(child, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime


def recompiled(start: Start) -> list[str]:
    """The sources that a cold start compiles: zipped as the CDK zips, which sets all times to 1980, and unzipped."""
    with tempfile.TemporaryDirectory() as folder:
        task = _zipped_and_unzipped(start.path, Path(folder))
        command = [str(LOCAL_PYTHON), "-S", "-v", "-c", start.program]
        variables = {**start.variables(), "PYTHONPATH": str(task)}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    loaded = [path for path in COMPILED.findall(done.stderr) if path.startswith(str(task))]
    assert loaded
    return [path for path in loaded if path.endswith(".py")]


def _zipped_and_unzipped(source: Path, folder: Path) -> Path:
    archive, task = folder / "bundle.zip", folder / "task"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(
            path
            for path in source.rglob("*")
            if path.suffix in (".py", ".pyc", ".so", ".toml", ".pem", ".json", ".gz") or path.parent.name == "botocore"
        ):
            if path.is_file():
                file.writestr(zipfile.ZipInfo(str(path.relative_to(source)), (1980, 1, 1, 0, 0, 0)), path.read_bytes())
    with zipfile.ZipFile(archive) as file:
        file.extractall(task)
    for path in task.rglob("*"):
        os.utime(path, (315_532_800, 315_532_800))
    return task


def modules(start: Start) -> set[str]:
    """What a start has loaded."""
    program = f"{start.program}; import sys; print(*sys.modules)"
    command = [str(LOCAL_PYTHON), "-S", "-c", program]
    done = subprocess.run(command, env=start.variables(), capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@cache
def measure() -> tuple[str, dict[str, float]]:
    """In which unit, and how much of it each start takes."""
    todo = starts()
    for start in todo.values():  # brings the files into memory, and writes the yardstick's byte-code
        subprocess.run(start.command(), env=start.variables(), check=True, capture_output=True)
    if shutil.which("valgrind"):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return "million instructions", dict(
                zip(todo, (count / 1e6 for count in pool.map(instructions, todo.values())), strict=True)
            )
    taken: dict[str, list[float]] = {name: [] for name in todo}
    for _ in range(TURNS):
        for name, start in todo.items():
            taken[name].append(processor_seconds(start) * 1000)
    return "ms of processor time (no valgrind here)", {name: statistics.median(each) for name, each in taken.items()}


def main() -> int:
    """Print a line per process."""
    unit, taken = measure()
    for name, count in taken.items():
        print(f"{name:<22} {count:>8,.0f} {unit}   {count / taken[YARDSTICK]:.2f} of the yardstick")
    for name, start in starts().items():
        if name != YARDSTICK:
            print(f"{name:<22} {len(recompiled(start)):>8} files recompiled at a cold start")
    return 0


if __name__ == "__main__":
    sys.exit(main())
