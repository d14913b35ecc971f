"""The folders that functions are deployed from: dependencies, our packages, and byte-code that outlives the zip.

There is one per kind of function, which holds what that imports. Nothing is taken from the machine that builds it: the
packages are the pinned ones of requirements/*.txt, for the platform that will run them, without Docker. Python's usual byte-code is valid as long as its source keeps its
modification time; CDK's zip sets every time to 1980, and the folder is read-only on Lambda, so it would be compiled
again at every cold start (2.6 times the instructions of a start, measured). It is therefore compiled here, marked as
never to be checked against the source (PEP 552, `unchecked-hash`).
"""

import ast
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
REQUIREMENTS = ROOT / "requirements"
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


class Kind(StrEnum):
    """Whom a bundle is for."""

    WEBHOOK = "webhook"  # webhook functions; most providers sign with a shared secret, for which Python suffices
    WEBHOOK_KEYS = "webhook-keys"  # those that verify by a public key, with the package for it
    FUNCTIONS = "functions"  # all others

    @property
    def requirements(self) -> Path:
        """The pinned packages that it holds."""
        return REQUIREMENTS / ("lambda.txt" if self is Kind.FUNCTIONS else f"{self}.txt")

    @property
    def ours(self) -> tuple[str, ...]:
        """Which files of ours it holds: a change to any other leaves its functions as they are."""
        if self is Kind.FUNCTIONS:
            return ("*",)
        connectors = [
            f"connectors/{name}" for name in ("__init__.py", "*/__init__.py", "*/facts.py", "*/manifest.toml")
        ]
        return ("hub/*", "adapters/*", "webhooks/*", *connectors)


class BundleFailed(Exception):
    """The bundle could not be built; the message says why and what to do."""


def bundles(target: Target, folder: Path) -> Path:
    """Make `folder` hold the bundle of each kind, under the kind's name, and return it; raises BundleFailed."""
    for kind in Kind:
        bundle(target, kind, folder / kind)
    return folder


def bundle(target: Target, kind: Kind, out: Path) -> Path:
    """Make `out` the bundle of a kind and return it; at once when `out` is already that of the present sources.

    Raises BundleFailed. `out` is replaced only by a complete bundle.
    """
    _require_setup()
    fingerprint = fingerprint_of(target, kind)
    mark = out.with_name(f"{out.name}.fingerprint")
    with _lock(out):
        if out.is_dir() and mark.is_file() and mark.read_text() == fingerprint:
            return out
        with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
            work = Path(folder) / "bundle"
            _install_dependencies(target, kind, work)
            _leave_out_theirs(work)
            _copy_ours(kind, work)
            _compile(target, work)
            _settle_permissions(work)
            mark.unlink(missing_ok=True)
            if out.exists():
                shutil.rmtree(out)
            work.rename(out)
        mark.write_text(fingerprint)
    return out


def fingerprint_of(target: Target, kind: Kind) -> str:
    """The hash of everything that the bundle is made from: equal means that building again would change nothing."""
    digest = hashlib.sha256(f"{target}\n{kind}\n{_interpreter(target)}\n".encode())
    for source in (kind.requirements, Path(__file__), BYTECODE_COMPILER, PYODIDE):
        digest.update(source.read_bytes())
    for source in sorted(_ours(kind)):
        digest.update(f"\n{source.relative_to(FUNCTIONS)}\n".encode() + source.read_bytes())
    return digest.hexdigest()


def webhook_kind(scheme: str) -> Kind:
    """The bundle for a webhook function, by its connector's scheme: whether the scheme's code imports cryptography, if
    only when it verifies."""
    seen: set[str] = set()
    waiting = [f"hub.schemes.{scheme}"]
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        imported = list(_imports(FUNCTIONS / f"{module.replace('.', '/')}.py"))
        if any(name.partition(".")[0] == "cryptography" for name in imported):
            return Kind.WEBHOOK_KEYS
        waiting += [name for name in imported if name.startswith("hub.")]
    return Kind.WEBHOOK


def _imports(path: Path) -> Iterator[str]:
    if path.is_file():  # else it is a package, or a name in a module
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{name.name}" for name in node.names)


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


def _install_dependencies(target: Target, kind: Kind, folder: Path) -> None:
    platform = {
        Target.AWS: ["--python-platform", LAMBDA_PLATFORM, "--python-version", LAMBDA_PYTHON],
        Target.LOCAL: ["--python", str(LOCAL_PYTHON)],
    }[target]
    _run(
        *(str(UV), "pip", "install", "--quiet", "--target", str(folder), *platform),
        *("--only-binary", ":all:", "--link-mode", "copy", "--require-hashes"),
        *("--requirements", str(kind.requirements)),
    )


def _leave_out_theirs(folder: Path) -> None:
    services = folder / "botocore" / "data"
    listed = services.iterdir() if services.is_dir() else ()
    unused = [path for path in listed if path.is_dir() and path.name not in AWS_SERVICES]
    matched = [path for pattern in THEIRS_LEFT_OUT for path in folder.rglob(pattern)]
    for path in [*unused, *matched]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _ours(kind: Kind) -> Iterator[Path]:
    for path in FUNCTIONS.rglob("*"):
        inside = path.relative_to(FUNCTIONS)
        left_out = any(fnmatch(part, pattern) for part in inside.parts for pattern in OURS_LEFT_OUT)
        if path.is_file() and not left_out and any(fnmatch(str(inside), pattern) for pattern in kind.ours):
            yield path


def _copy_ours(kind: Kind, folder: Path) -> None:
    for source in _ours(kind):
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
    for each in sorted(bundles(chosen, ROOT / "build" / chosen).iterdir()):
        if each.name in set(Kind):
            print(f"{each}: {size_report(each)}")
