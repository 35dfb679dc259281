"""The benchmark works: its smallest plans, run for real and not timed, so that it cannot rot."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
WITHIN_S = 90
PURE = ("steps", "resampler", "routing")
LIVE = ("calls", "tools")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Path]]:
    """What each run reports, once it is over; all of them run at once, for most of it is waiting
    for telephones."""
    folder = tmp_path_factory.mktemp("bench")
    files = {"pure": folder / "pure.json", **{name: folder / f"{name}.json" for name in LIVE}}
    runs = []
    try:
        for name, file in files.items():
            names = PURE if name == "pure" else (name,)
            command = [sys.executable, "-m", "bench", *names, "--trial", "--json", str(file)]
            runs.append(
                subprocess.Popen(
                    command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
                )
            )
        for run in runs:
            told, _ = run.communicate(timeout=WITHIN_S)
            assert run.returncode == 0, told
        yield files
    finally:
        for run in runs:
            run.kill()
            run.communicate()


def rows(report: Path, title: str) -> list[dict[str, Any]]:
    """The rows of a table, by column; of columns that are named alike, the first."""
    (table,) = [each for each in json.loads(report.read_text())["tables"] if each["title"] == title]
    columns = [*reversed(table["columns"])]
    return [dict(zip(columns, reversed(row), strict=True)) for row in table["rows"]]


def test_the_pure_parts_are_measured(reports: Mapping[str, Path]) -> None:
    assert all(each["us"] > 0 for each in rows(reports["pure"], "Pure steps"))
    assert rows(reports["pure"], "Resampler")
    assert rows(reports["pure"], "What routing costs")


def test_a_call_is_paced_answered_and_interrupted(reports: Mapping[str, Path]) -> None:
    (pacing,) = rows(reports["calls"], "Pacing")
    assert pacing["frames"] > 0
    (share,) = rows(reports["calls"], "voiced's own share of the answer time")
    assert share["none came"] == 0
    assert share["own share p50, ms"] > 0
    (barge_in,) = rows(reports["calls"], "Barge-in and hang-up")
    assert barge_in["barge-ins"] >= 1
    assert barge_in["decision to `clear` p50, ms"] > 0
    assert barge_in["frames of the old reply after it"] == 0
    assert barge_in["calls lost"] == 0


def test_tools_are_used_before_an_answer(reports: Mapping[str, Path]) -> None:
    cases = {each["tools"]: each for each in rows(reports["tools"], "What tools add to an answer")}
    assert {each["answers"] for each in cases.values()} == {"1 of 1"}
    between = "a tool asked for to model asked again p50, ms"
    assert {name for name, each in cases.items() if each[between] != "-"} == {
        name for name in cases if "used" in name
    }


def test_what_is_clear_is_answered_by_heart(reports: Mapping[str, Path]) -> None:
    (answer,) = rows(reports["tools"], "An answer without a model")
    assert answer["answers by heart"] == "1 of 1"


def test_a_tool_is_measured_by_itself(reports: Mapping[str, Path]) -> None:
    assert all(each["p50, us"] > 0 for each in rows(reports["tools"], "What a tool costs"))
