"""The house rules that a linter does not know: who may import whom, and the maxima."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "voiced"
FILES = sorted(PACKAGE.rglob("*.py"))

# Each layer and the layers it may import, beside itself and the standard library.
BASE = {"errors", "schema", "config", "__init__"}
PURE = {"audio", "wire"}
CLIENTS = {"engines", "carrier", "records", "tools"}
ALLOWED = {
    "__init__": set(),
    "errors": set(),
    "schema": {"errors"},
    "config": {"errors", "schema"},
    "audio": BASE,
    "wire": BASE,
    "dialog": BASE | PURE,
    "ops": BASE,
    "engines": BASE | PURE | {"dialog", "ops"},
    "carrier": BASE | PURE | {"dialog", "ops"},
    "records": BASE | PURE | {"dialog", "ops"},
    "tools": BASE | PURE | {"dialog", "ops"},
    "call": BASE | PURE | CLIENTS | {"dialog", "ops"},
    "web": BASE | PURE | CLIENTS | {"dialog", "ops", "call"},
    "client": BASE | {"carrier", "engines", "wire", "dialog", "ops"},
    "house": BASE | PURE | CLIENTS | {"dialog", "ops", "call", "web"},
    "daemon": BASE | PURE | CLIENTS | {"dialog", "ops", "call", "web", "house"},
    "lab": BASE | PURE | CLIENTS | {"dialog", "ops", "call", "web", "daemon"},
    "cli": BASE | PURE | CLIENTS | {"dialog", "ops", "call", "web", "daemon", "lab", "client"},
    "__main__": {"cli"},
}
PURE_LAYERS = {"errors", "schema", "audio", "wire", "dialog"}
IMPURE_MODULES = {"trio", "time", "datetime", "socket", "logging", "random", "secrets", "httpx",
    "trio_websocket", "os", "io", "subprocess", "threading", "asyncio", "structlog"}  # fmt: skip
FORBIDDEN_MODULES = {"asyncio", "audioop", "scipy"}

MAX_FILE, MAX_FUNCTION, MAX_CLASS, MAX_ATTRIBUTES, MAX_METHODS = 300, 40, 200, 10, 12
BROAD_EXCEPTS = {"voiced/call/call.py": 1, "voiced/cli.py": 1}


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: relative import"
            found.append(node.module or "")
            if node.module == "voiced":
                found += [f"voiced.{alias.name}" for alias in node.names]
    return found


@pytest.mark.parametrize("path", FILES, ids=name)
def test_imports_go_one_way(path: Path) -> None:
    here = layer(path)
    for module in imports(path):
        assert module.split(".")[0] not in FORBIDDEN_MODULES, f"{name(path)} imports {module}"
        if module.startswith("voiced."):
            there = module.split(".")[1]
            dunder = there.startswith("__")
            assert there == here or there in ALLOWED[here] or dunder, (
                f"{name(path)} ({here}) must not import {module}"
            )


@pytest.mark.parametrize("path", [p for p in FILES if layer(p) in PURE_LAYERS], ids=name)
def test_the_core_is_pure(path: Path) -> None:
    for module in imports(path):
        assert module.split(".")[0] not in IMPURE_MODULES, f"{name(path)} imports {module}"
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{name(path)} is async"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_nothing_is_too_long(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE, f"{name(path)} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            limit = MAX_CLASS if isinstance(node, ast.ClassDef) else MAX_FUNCTION
            assert length <= limit, f"{name(path)}: {node.name} has {length} lines"
        if isinstance(node, ast.ClassDef):
            check_class(path, node)


def check_class(path: Path, node: ast.ClassDef) -> None:
    methods = [
        item.name
        for item in node.body
        if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
        and not (item.name.startswith("__") and item.name.endswith("__"))
        and not any(isinstance(d, ast.Name) and d.id == "property" for d in item.decorator_list)
    ]
    assert len(methods) <= MAX_METHODS, f"{name(path)}: {node.name} has {len(methods)} methods"
    attributes = {
        target.attr
        for item in ast.walk(node)
        if isinstance(item, ast.Assign | ast.AnnAssign)
        for target in (item.targets if isinstance(item, ast.Assign) else [item.target])
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    }
    assert len(attributes) <= MAX_ATTRIBUTES, f"{name(path)}: {node.name} has {attributes}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_booleans_as_state(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            assert not (
                isinstance(target, ast.Attribute)
                and isinstance(getattr(node, "value", None), ast.Constant)
                and isinstance(node.value.value, bool)  # type: ignore[union-attr]
            ), f"{name(path)}:{node.lineno}: a boolean as state"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_queues_are_bounded_and_excepts_narrow(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"open_memory_channel\S*\(\s*(math\.)?inf", text), (
        f"{name(path)}: unbounded"
    )
    assert "except Cancelled" not in text
    assert "trio.Cancelled" not in text, f"{name(path)}: cancellation is not for catching"
    broad = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or getattr(node.type, "id", "") in {"Exception", "BaseException"})
    ]
    allowed = BROAD_EXCEPTS.get(name(path), 0)
    assert len(broad) <= allowed, f"{name(path)}: {len(broad)} broad excepts"
