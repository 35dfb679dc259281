"""docs/engines.md: its configurations are read, what it quotes is what voiced says, and the engine
that it adds fits in and keeps the rules of the house."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import test_architecture as rules
from engines_page import FILES, PAGE, ROOT, SETTINGS, Speech, assembled, with_rows

from voiced.config import engines, parse

RUFF = (
    "--config",
    str(ROOT / "pyproject.toml"),
    "--config",
    'lint.isort.known-first-party=["voiced"]',
)


@pytest.fixture
def speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Speech:
    return assembled(tmp_path, monkeypatch)


def test_every_type_of_engine_has_a_configuration_that_is_read(speech: Speech) -> None:
    ours = parse("\n".join(re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)), "engines.md")
    shown = {
        role: {type(each) for each in getattr(ours, role).values()} for role in engines.ENGINES
    }
    assert shown == {role: set(types.values()) for role, types in engines.ENGINES.items()}
    assert any(stt.model.startswith("flux-") for stt in ours.stt.values() if hasattr(stt, "model"))


def texts(node: ast.AST) -> Iterator[str]:
    """All text in a source, with a line's end in the place of what is filled in."""
    for each in ast.walk(node):
        if isinstance(each, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "\n" for part in each.values]
            yield "".join(map(str, parts))
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield re.sub(r"\{\w*\}", "\n", each.value)


def test_what_check_is_said_to_say_is_what_voiced_says() -> None:
    said = "\n".join(
        chain.from_iterable(
            texts(ast.parse(path.read_text())) for path in (ROOT / "voiced").rglob("*.py")
        )
    )
    tables = re.findall(r"^\| `voiced check` says.*?\n\|---\|---\|\n((?:\|.*\n)+)", PAGE, re.M)
    quoted = [
        quote
        for row in "".join(tables).splitlines()
        for quote in re.findall(r"`([^`]+)`", row.split(" | ")[0])
    ]
    assert len(quoted) > 25
    for quote in quoted:
        parts = re.split(r"\b(?:URL|MODEL|CODE|N|HTTP \d+)\b", quote)
        for part in filter(None, (part.strip(" ():,") for part in parts)):
            assert part in said, f"{part!r} is nothing that voiced says"


def test_its_links_lead_somewhere() -> None:
    for target, anchor in re.findall(r"\]\(([\w.]*)(?:#([\w-]+))?\)", PAGE):
        page = (ROOT / "docs" / target).read_text() if target else PAGE
        titles = re.findall(r"^#+ (.*)", page, re.M)
        anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
        assert not anchor or anchor in anchors, f"{target}#{anchor}"


def test_the_rows_fit_the_tables() -> None:
    source = with_rows(SETTINGS).replace("SttSettings =", f"{FILES[SETTINGS]}\n\nSttSettings =")
    space: dict[str, Any] = {"__name__": engines.__name__}
    exec(compile(source, SETTINGS, "exec"), space)
    assert space["ENGINES"]["tts"]["speech"] is space["SpeechTts"]


def test_the_blocks_keep_the_rules_of_the_house(
    speech: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "ROOT", speech.root)
    monkeypatch.setattr(rules, "PACKAGE", speech.root / "voiced")
    for path in sorted((speech.root / "voiced").rglob("speech.py")):
        rules.test_imports_go_one_way(path)
        rules.test_nothing_is_too_long(path)
        rules.test_no_booleans_as_state(path)
        rules.test_queues_are_bounded_and_excepts_narrow(path)
    rules.test_the_core_is_pure(speech.root / "voiced" / "wire" / "speech.py")
    (speech.root / "settings.py").write_text(FILES[SETTINGS])
    for command in (["format", "--check"], ["check", "--extend-per-file-ignores=settings.py:F821"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", *RUFF, "."]
        ran = subprocess.run(ruff, cwd=speech.root, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout + ran.stderr
