"""The repository's own files, and what its Python modules import."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = (".ci", "benchmarks", "cli", "config", "docs", "functions", "infra", "requirements", "tests")
MADE_BY_TOOLS = {"__pycache__", "node_modules"}
PACKAGES = ROOT / "functions"


def own_files() -> Iterator[Path]:
    """Every file that is written by hand or recorded: not what setup, builds and runs leave behind."""
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.name != ".git")  # a file in a worktree
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and not MADE_BY_TOOLS & set(path.parts) and path.suffix != ".pyc":
                yield path


def modules(*folders: str) -> Iterator[Path]:
    """The Python files below folders of the repository."""
    for folder in folders:
        yield from (path for path in sorted((ROOT / folder).rglob("*.py")) if not MADE_BY_TOOLS & set(path.parts))


@dataclass(frozen=True)
class Import:
    """One imported module, whether only the type checker sees it, and whether a function imports it when it is needed."""

    module: str
    line: int
    for_types: bool
    lazy: bool = False

    @property
    def package(self) -> str:
        return self.module.split(".", 1)[0]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imports(path: Path) -> Iterator[Import]:
    """What a file imports anywhere in it; `from a import b` counts as `a.b` where that is a module of the repository."""
    yield from _imports(path)


@cache
def _imports(path: Path) -> tuple[Import, ...]:
    return tuple(_each_import(path))


def _each_import(path: Path) -> Iterator[Import]:
    waiting: list[tuple[ast.AST, bool, bool]] = [(tree(path), False, False)]
    while waiting:
        node, for_types, lazy = waiting.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, for_types, lazy)
        elif isinstance(node, ast.ImportFrom):
            assert node.module, f"{path}:{node.lineno}: a relative import"
            for alias in node.names:
                inner_module = f"{node.module}.{alias.name}"
                named = inner_module if module_path(inner_module) else node.module
                yield Import(named, node.lineno, for_types, lazy)
        elif isinstance(node, ast.stmt | ast.Module | ast.ExceptHandler | ast.match_case):  # no expression imports
            if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
                for_types = True
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lazy = True
            waiting += [(inner, for_types, lazy) for inner in ast.iter_child_nodes(node)]


@cache
def module_path(module: str) -> Path | None:
    """The file of a module of the repository, or None."""
    for root in (PACKAGES, ROOT):
        path = root / Path(*module.split("."))
        for candidate in (path.with_suffix(".py"), path / "__init__.py"):
            if candidate.is_file():
                return candidate
    return None


def classes(path: Path) -> Iterator[str]:
    yield from (node.name for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """The string constants of a file with their lines, without docstrings."""
    parsed = tree(path)
    described = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        node.body[0].value
        for node in ast.walk(parsed)
        if isinstance(node, described) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(parsed):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
            yield node.lineno, node.value
