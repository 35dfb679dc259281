"""The blocks of docs/engines.md, and the engine that they add, put together from them."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from attrs import frozen

from voiced.config import engines

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "engines.md").read_text()
FILES = dict(re.findall(r"^`(\S+\.py)`[^\n]*\n\n```python\n(.*?)^```", PAGE, re.M | re.S))
"""Path -> the block of Python below it."""
SETTINGS = "voiced/config/engines.py"


@frozen
class Speech:
    """The engine of the page, as modules; `root` holds them as files."""

    root: Path
    wire: ModuleType
    engine: ModuleType
    lab: ModuleType
    build: ModuleType


def with_rows(path: str) -> str:
    """A file of voiced with the page's changes made to it; each fits in one place."""
    source = (ROOT / path).read_text()
    blocks = rf"^`{re.escape(path)}`[^\n]*\n\n((?:```diff\n.*?^```\n\n)+)"
    for block in re.findall(blocks, PAGE, re.M | re.S):
        for hunk in re.findall(r"```diff\n(.*?)```", block, re.S):
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            new = "".join(line[1:] for line in lines if line[0] in " +")
            assert source.count(old) == 1, f"{path} has no such lines, or several: {old}"
            source = source.replace(old, new)
    return source


def assembled(root: Path, monkeypatch: pytest.MonkeyPatch) -> Speech:
    """The engine, known to voiced until `monkeypatch` is undone; its files go below `root`."""
    space = dict(vars(engines))
    exec(compile(FILES[SETTINGS], SETTINGS, "exec"), space)
    monkeypatch.setattr(engines, "SpeechTts", space["SpeechTts"], raising=False)
    monkeypatch.setitem(engines.ENGINES["tts"], "speech", space["SpeechTts"])  # type: ignore[arg-type]

    def module(path: str, text: str) -> ModuleType:
        file, name = root / path, path.removesuffix(".py").replace("/", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        made = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, made)
        spec.loader.exec_module(made)
        return made

    wire, engine, lab = (
        module(path, FILES[path])
        for path in ("voiced/wire/speech.py", "voiced/engines/speech.py", "voiced/lab/speech.py")
    )
    rows = "voiced/engines/build.py"
    return Speech(root, wire, engine, lab, module(rows, with_rows(rows)))
