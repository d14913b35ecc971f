"""The bundle, zipped and unzipped as CDK and Lambda do it, starts without compiling anything and fits its platform."""

import json
import os
import re
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import pytest

from hub.schemes import scheme_names
from infra import bundle as bundling
from infra.bundle import (
    AWS_SERVICES,
    FUNCTIONS,
    LOCAL_PYTHON,
    NODE,
    ROOT,
    Kind,
    Target,
    bundle,
    fingerprint_of,
    size_report,
    webhook_kind,
)

CPYTHON_3_13_MAGIC = 3571  # Lib/importlib/_bootstrap_external.py of CPython 3.13
UNCHECKED_HASH = 0b01  # PEP 552: hash-based, and never compared with the source
ELF_MACHINE = {"aarch64": 183, "x86_64": 62}  # e_machine of the ELF specification
LIBRARIES = ("aws_lambda_powertools", "boto3", "cryptography.x509", "httpx", "pydantic")
WITHOUT_NATIVE_CODE = ("hub.errors", "hub.events", "hub.receive", "hub.schemes", "jmespath", "dateutil.parser")


@pytest.fixture(scope="module", params=list(Target))
def target(request: pytest.FixtureRequest) -> Target:
    return Target(request.param)


@pytest.fixture(scope="module", params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    return Kind(request.param)


def made(target: Target, kind: Kind) -> Path:
    """Where the app builds it, too."""
    return bundle(target, kind, ROOT / "build" / target / kind)


@pytest.fixture(scope="module")
def built(target: Target, kind: Kind) -> Path:
    return made(target, kind)


def unzipped_as_on_lambda(folder: Path, into: Path) -> Path:
    """CDK's zip gives every file the time 1980-01-01; Lambda unzips it into a folder that cannot be written."""
    archive = into / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), date_time=(1980, 1, 1, 0, 0, 0))
            file.writestr(entry, path.read_bytes())
    task_root = into / "task"
    with zipfile.ZipFile(archive) as file:
        file.extractall(task_root)
    for path in task_root.rglob("*"):
        os.utime(path, (315_532_800, 315_532_800))
        path.chmod(0o555 if path.is_dir() else 0o444)
    return task_root


def local_imports(task_root: Path, modules: list[str]) -> tuple[list[str], list[str]]:
    """Import in a fresh process of the local AWS's Python; return the files it compiled and those it only loaded."""
    program = f"import sys, importlib; sys.path.insert(0, {str(task_root)!r}); "
    program += f"[importlib.import_module(name) for name in {modules!r}]"
    done = subprocess.run(
        [LOCAL_PYTHON, "-I", "-v", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    sources = re.findall(r"^# code object from '?([^'\n]+?)'?$", done.stderr, flags=re.MULTILINE)
    ours = [path for path in sources if path.startswith(str(task_root))]
    return [path for path in ours if path.endswith(".py")], [path for path in ours if path.endswith(".pyc")]


def own_modules() -> list[str]:
    """Every module of ours but the main.py files, which read their environment when they are imported."""
    sources = [path.relative_to(FUNCTIONS).with_suffix("") for path in FUNCTIONS.rglob("*.py") if path.stem != "main"]
    return sorted(".".join(path.parts).removesuffix(".__init__") for path in sources)


@pytest.mark.slow
def test_every_source_has_byte_code_that_no_time_can_outdate(built: Path, target: Target) -> None:
    sources = list(built.rglob("*.py"))
    tag = "cpython-313" if target is Target.AWS else "cpython-" + interpreter_version(LOCAL_PYTHON)
    flags = set()
    magics = set()
    for source in sources:
        head = (source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc").read_bytes()[:8]
        magics.add(struct.unpack("<H2x", head[:4])[0])
        flags.add(struct.unpack("<I", head[4:])[0])

    assert len(sources) > 300
    assert flags == {UNCHECKED_HASH}
    assert len(magics) == 1
    if target is Target.AWS:
        assert magics == {CPYTHON_3_13_MAGIC}


@pytest.mark.slow
def test_a_cold_start_of_the_local_bundle_compiles_nothing(tmp_path: Path) -> None:
    task_root = unzipped_as_on_lambda(made(Target.LOCAL, Kind.FUNCTIONS), tmp_path)

    compiled, loaded = local_imports(task_root, [*LIBRARIES, *own_modules()])

    assert compiled == []
    assert len(loaded) > 300
    assert not [path for path in task_root.rglob("*") if path.stat().st_mtime != 315_532_800]


@pytest.mark.slow
def test_byte_code_that_is_checked_by_time_would_be_compiled_again(tmp_path: Path) -> None:
    task_root = unzipped_as_on_lambda(made(Target.LOCAL, Kind.FUNCTIONS), tmp_path)
    cached = next((task_root / "hub" / "__pycache__").glob("errors.*.pyc"))
    cached.chmod(0o644)
    cached.write_bytes(cached.read_bytes()[:4] + struct.pack("<III", 0, 1_700_000_000, 1) + cached.read_bytes()[16:])

    compiled, _ = local_imports(task_root, ["hub.errors"])

    assert compiled == [str(task_root / "hub" / "errors.py")]


@pytest.mark.slow
def test_a_cold_start_of_the_aws_bundle_compiles_nothing_on_python_3_13(tmp_path: Path) -> None:
    task_root = unzipped_as_on_lambda(made(Target.AWS, Kind.FUNCTIONS), tmp_path)
    pyodide = ROOT / "node_modules" / "pyodide" / "pyodide.mjs"
    command: list[str | Path] = [
        NODE,
        Path(__file__).with_name("import_as_lambda.mjs"),
        pyodide,
        task_root,
        *WITHOUT_NATIVE_CODE,
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    imported = json.loads(done.stdout.splitlines()[-1])

    assert imported["python"] == [3, 13]
    assert imported["recompiled"] == []
    assert len(imported["loaded"]) > len(WITHOUT_NATIVE_CODE)
    assert all(path.endswith(".cpython-313.pyc") for path in imported["loaded"])


@pytest.mark.slow
def test_native_libraries_fit_the_platform(built: Path, target: Target, kind: Kind) -> None:
    machine = "aarch64" if target is Target.AWS else os.uname().machine
    libraries = list(built.rglob("*.so"))
    machines = {struct.unpack("<H", library.read_bytes()[18:20])[0] for library in libraries}

    assert machines == (set() if kind is Kind.WEBHOOK else {ELF_MACHINE[machine]})


@pytest.mark.slow
def test_nothing_in_it_names_the_machine_that_built_it(built: Path) -> None:
    here = str(ROOT).encode()
    naming = [path for path in built.rglob("*") if path.is_file() and here in path.read_bytes()]

    assert naming == []
    assert not list(built.rglob("direct_url.json"))


@pytest.mark.slow
def test_the_signatures_that_need_cryptography_are_verified_with_what_it_holds(tmp_path: Path) -> None:
    """In a process that sees nothing but the bundle: not even the packages of the Python that runs it."""
    folder = made(Target.LOCAL, Kind.FUNCTIONS)
    program = (
        f"import sys; sys.path = [{str(folder)!r}] + [p for p in sys.path if 'site-packages' not in p]\n"
        "from cryptography.hazmat.primitives import hashes\n"
        "from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa\n"
        "from cryptography.x509 import load_pem_x509_certificate\n"
        "key = ed25519.Ed25519PrivateKey.generate(); key.public_key().verify(key.sign(b'x'), b'x')\n"
        "key = ec.generate_private_key(ec.SECP256R1()); sha = ec.ECDSA(hashes.SHA256())\n"
        "key.public_key().verify(key.sign(b'x', sha), b'x', sha)\n"
        "key = rsa.generate_private_key(65537, 2048); pad = padding.PKCS1v15(), hashes.SHA256()\n"
        "key.public_key().verify(key.sign(b'x', *pad), b'x', *pad)\n"
        "print(sys.modules['_cffi_backend'].__file__)\n"
    )

    done = subprocess.run([LOCAL_PYTHON, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.startswith(str(folder))


@pytest.mark.slow
def test_it_holds_what_runs_and_nothing_else(built: Path, kind: Kind) -> None:
    manifests = {path.relative_to(FUNCTIONS) for path in FUNCTIONS.rglob("manifest.toml")}
    names = {path.relative_to(built) for path in built.rglob("*")}
    services = {path.name for path in (built / "botocore" / "data").glob("*") if path.is_dir()}
    tops = {name.parts[0] for name in names}

    assert manifests
    assert manifests <= names
    assert services == (AWS_SERVICES if kind is Kind.FUNCTIONS else set())
    assert not tops & {"tests", "infra", "cli", "bin"}
    assert ("cryptography" in tops) == (kind is not Kind.WEBHOOK)
    assert ("botocore" in tops) == ("pydantic" in tops) == ("delivery" in tops) == (kind is Kind.FUNCTIONS)
    assert not {name for name in names if name.parts[0] == "connectors" and name.suffix in {".md", ".json"}}
    assert not {name for name in names if "tests" in name.parts}


UNZIPPED_AND_ZIPPED_MB = {
    Kind.WEBHOOK: (10, 5),
    Kind.WEBHOOK_KEYS: (27, 10),  # 16 of them are cryptography's
    Kind.FUNCTIONS: (72, 26),  # 15 of them are cryptography's, 13 psycopg's with libpq, 2 what reads workbooks
}


@pytest.mark.slow
def test_it_is_small_enough_to_start_fast(built: Path, kind: Kind) -> None:
    unzipped, zipped = re.findall(r"([\d.]+) MB", size_report(built))[:2]
    most_unzipped, most_zipped = UNZIPPED_AND_ZIPPED_MB[kind]  # AWS takes 250 and 50

    assert float(unzipped) < most_unzipped
    assert float(zipped) < most_zipped


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.WEBHOOK, Kind.WEBHOOK_KEYS], indirect=True)
def test_a_webhook_bundle_holds_all_that_its_providers_need(kind: Kind) -> None:
    """In a process that sees nothing but the bundle: not even the packages of the Python that runs it."""
    folder = made(Target.LOCAL, kind)
    schemes = [name for name in scheme_names() if webhook_kind(name) is kind]
    facts = [path.parent.name for path in FUNCTIONS.glob("connectors/*/facts.py")]
    modules = ["webhooks.handler", "adapters.provider_keys", "adapters.s3", "adapters.tokens", "hub.handshakes"]
    modules += [f"hub.schemes.{name}" for name in schemes] + [f"connectors.{name}.facts" for name in facts]
    if kind is Kind.WEBHOOK_KEYS:
        modules += ["hub.public_keys", "cryptography.x509"]
    program = (
        f"import sys, importlib; sys.path = [{str(folder)!r}] + [p for p in sys.path if 'site-packages' not in p]\n"
        f"[importlib.import_module(name) for name in {modules!r}]\n"
        "print(len(sys.modules))\n"
    )

    done = subprocess.run([LOCAL_PYTHON, "-I", "-c", program], capture_output=True, text=True, check=False, timeout=60)

    assert schemes
    assert (done.returncode, done.stderr) == (0, "")


def test_schemes_with_public_keys_are_told_from_the_others() -> None:
    with_keys = {name for name in scheme_names() if webhook_kind(name) is Kind.WEBHOOK_KEYS}

    assert {"sns", "paypal", "sendgrid", "google_oidc", "standard_webhooks"} <= with_keys
    assert not with_keys & {"body_hmac", "stripe", "twilio", "adyen", "static_token", "hubspot", "generic_hmac"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Kind.FUNCTIONS], indirect=True)  # which holds all that the others do
def test_the_same_sources_give_the_same_bytes(target: Target, kind: Kind, built: Path, tmp_path: Path) -> None:
    again = bundle(target, kind, tmp_path / "again")

    assert contents(again) == contents(built)


@pytest.mark.slow
def test_a_second_call_leaves_the_bundle_alone(target: Target, kind: Kind, built: Path) -> None:
    before = built.stat()

    assert bundle(target, kind, built).stat().st_ino == before.st_ino


def test_a_changed_function_changes_the_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    functions = tmp_path / "functions"
    shutil.copytree(FUNCTIONS, functions)
    monkeypatch.setattr(bundling, "FUNCTIONS", functions)
    first = fingerprint_of(Target.AWS, Kind.FUNCTIONS)
    webhooks = fingerprint_of(Target.AWS, Kind.WEBHOOK)
    (functions / "hub" / "README.md").write_text("not part of the bundle")
    unchanged = fingerprint_of(Target.AWS, Kind.FUNCTIONS)
    (functions / "delivery" / "handler.py").write_text("changed = True\n")
    assert fingerprint_of(Target.AWS, Kind.WEBHOOK) == webhooks
    (functions / "hub" / "__init__.py").write_text("changed = True\n")

    assert unchanged == first
    assert fingerprint_of(Target.AWS, Kind.FUNCTIONS) != first
    assert fingerprint_of(Target.AWS, Kind.WEBHOOK) != webhooks


def test_every_aws_service_that_the_functions_call_is_in_the_bundle() -> None:
    calls = re.compile(r"""(?:\b|_)(?:client|resource)\(\s*["']([a-z0-9-]+)["']""")
    called = {name for path in FUNCTIONS.rglob("*.py") for name in calls.findall(path.read_text())}

    assert called
    assert called <= AWS_SERVICES


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def interpreter_version(python: Path) -> str:
    program = "import sys; print(f'{sys.version_info[0]}{sys.version_info[1]}')"
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
