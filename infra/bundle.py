"""The folder that every function is deployed from: dependencies, our packages, and byte-code that outlives the zip.

Nothing is taken from the machine that builds it: the packages are the pinned ones of requirements/lambda.txt, for the
platform that will run them, without Docker. Python's usual byte-code is valid as long as its source keeps its
modification time; CDK's zip sets every time to 1980, and the folder is read-only on Lambda, so it would be compiled
again at every cold start (2.6 times the instructions of a start, measured). It is therefore compiled here, marked as
never to be checked against the source (PEP 552, `unchecked-hash`).
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "functions"
REQUIREMENTS = ROOT / "requirements" / "lambda.txt"
UV = ROOT / ".tools" / "bin" / "uv"
NODE = ROOT / ".venv" / "bin" / "node"
LOCAL_PYTHON = ROOT / ".venv-aws" / "bin" / "python"
BYTECODE_COMPILER = ROOT / "infra" / "bytecode.mjs"
PYODIDE = ROOT / "node_modules" / "pyodide" / "package.json"

LAMBDA_PYTHON = "3.13"
# cryptography publishes no wheel for an older glibc; Lambda's Python 3.12 and newer have 2.34 (Amazon Linux 2023)
LAMBDA_PLATFORM = "aarch64-manylinux_2_28"
LAMBDA_TASK_ROOT = "/var/task"

# botocore describes 400 services in 26 MB and lists them all whenever a client is made. These are the ones that the
# functions and Powertools call; boto3 itself stays in the bundle, since the runtime's own version changes unannounced.
AWS_SERVICES = frozenset({"dynamodb", "lambda", "logs", "s3", "secretsmanager", "sns", "sqs", "ssm", "sts"})

OURS_LEFT_OUT = ("__pycache__", "*.pyc", "*.md", "examples", "tests", ".*")
THEIRS_LEFT_OUT = (
    *("bin", ".lock", "*.pyi", "boto3/examples", "*/tests", "botocore/data/*/*/examples-1.json"),
    *("*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/sboms"),
    *("cffi", "pycparser"),  # cryptography loads the compiled _cffi_backend alone
)


class Target(StrEnum):
    """Where a bundle will run: its native libraries and its byte-code fit there only."""

    AWS = "aws"  # Lambda's Python on arm64
    LOCAL = "local"  # the local AWS's Python on this machine


class BundleFailed(Exception):
    """The bundle could not be built; the message says why and what to do."""


def bundle(target: Target, out: Path) -> Path:
    """Make `out` the bundle for `target` and return it; at once when `out` is already that of the present sources.

    Raises BundleFailed. `out` is replaced only by a complete bundle.
    """
    _require_setup()
    fingerprint = fingerprint_of(target)
    mark = out.with_name(f"{out.name}.fingerprint")
    with _lock(out):
        if out.is_dir() and mark.is_file() and mark.read_text() == fingerprint:
            return out
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
            work = Path(folder) / "bundle"
            _install_dependencies(target, work)
            _leave_out_theirs(work)
            _copy_ours(work)
            _compile(target, work)
            _settle_permissions(work)
            mark.unlink(missing_ok=True)
            if out.exists():
                shutil.rmtree(out)
            work.rename(out)
        mark.write_text(fingerprint)
    return out


def fingerprint_of(target: Target) -> str:
    """The hash of everything that the bundle is made from: equal means that building again would change nothing."""
    digest = hashlib.sha256(f"{target}\n{_interpreter(target)}\n".encode())
    for source in (REQUIREMENTS, Path(__file__), BYTECODE_COMPILER, PYODIDE):
        digest.update(source.read_bytes())
    for source in sorted(_ours()):
        digest.update(f"\n{source.relative_to(FUNCTIONS)}\n".encode() + source.read_bytes())
    return digest.hexdigest()


def size_report(folder: Path, largest: int = 6) -> str:
    """Say how big the bundle is, unzipped and zipped, and what weighs most, for a person."""
    sizes: dict[str, int] = {}
    with tempfile.TemporaryFile() as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                name = path.relative_to(folder)
                sizes[name.parts[0]] = sizes.get(name.parts[0], 0) + path.stat().st_size
                archive.writestr(str(name), path.read_bytes())
        zipped = file.tell()
    lines = [f"{_mb(sum(sizes.values()))} unzipped, {_mb(zipped)} zipped"]
    lines += [f"  {name:<24} {_mb(size):>9}" for name, size in sorted(sizes.items(), key=lambda item: -item[1])]
    return "\n".join(lines[: largest + 1])


def _install_dependencies(target: Target, folder: Path) -> None:
    platform = {
        Target.AWS: ["--python-platform", LAMBDA_PLATFORM, "--python-version", LAMBDA_PYTHON],
        Target.LOCAL: ["--python", str(LOCAL_PYTHON)],
    }[target]
    _run(
        *(str(UV), "pip", "install", "--quiet", "--target", str(folder), *platform),
        *("--only-binary", ":all:", "--link-mode", "copy", "--require-hashes", "--requirements", str(REQUIREMENTS)),
    )


def _leave_out_theirs(folder: Path) -> None:
    services = folder / "botocore" / "data"
    unused = [path for path in services.iterdir() if path.is_dir() and path.name not in AWS_SERVICES]
    matched = [path for pattern in THEIRS_LEFT_OUT for path in folder.rglob(pattern)]
    for path in [*unused, *matched]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _ours() -> Iterator[Path]:
    for path in FUNCTIONS.rglob("*"):
        parts = path.relative_to(FUNCTIONS).parts
        if path.is_file() and not any(fnmatch(part, pattern) for part in parts for pattern in OURS_LEFT_OUT):
            yield path


def _copy_ours(folder: Path) -> None:
    for source in _ours():
        copy = folder / source.relative_to(FUNCTIONS)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)


def _compile(target: Target, folder: Path) -> None:
    if target is Target.AWS:
        _run(str(NODE), str(BYTECODE_COMPILER), str(folder))
    else:
        _run(
            *(str(LOCAL_PYTHON), "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"),
            *("-s", str(folder), "-p", LAMBDA_TASK_ROOT, str(folder)),
        )


def _settle_permissions(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _interpreter(target: Target) -> str:
    if target is Target.AWS:
        return f"{LAMBDA_PYTHON} {LAMBDA_PLATFORM}"
    return _run(str(LOCAL_PYTHON), "-c", "import sys, sysconfig; print(sys.version, sysconfig.get_platform())")


def _run(*command: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": "0", "UV_PYTHON_DOWNLOADS": "never"}
    if Path("/etc/ssl/certs/ca-certificates.crt").exists():
        environment.setdefault("UV_SYSTEM_CERTS", "1")  # trust what the machine trusts, as the Makefile does
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BundleFailed(f"{' '.join(command)} failed:\n{(done.stderr or done.stdout)[-2000:]}")
    return done.stdout


def _require_setup() -> None:
    missing = [path for path in (UV, NODE, LOCAL_PYTHON, PYODIDE) if not path.exists()]
    if missing:
        raise BundleFailed(f"{missing[0].relative_to(ROOT)} is missing: run `make setup` first")


@contextmanager
def _lock(out: Path) -> Iterator[None]:
    """One builder at a time: `make run` and `make test` may start together."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.with_name(f"{out.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _mb(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"


if __name__ == "__main__":
    chosen = Target(sys.argv[1] if len(sys.argv) > 1 else Target.AWS)
    print(bundle(chosen, ROOT / "build" / chosen))
    print(size_report(ROOT / "build" / chosen))
