"""What was learnt from a call, as `voiced show` prints it."""

import json
from typing import Any

import pytest
from fake_daemon import SID, Daemon, call

from voiced import cli
from voiced.client.drawing import drawing
from voiced.client.model import Learnt, Timeline
from voiced.errors import WireError

TOLD = {
    "status": "partial",
    "at": "2026-11-21T09:14:13.000Z",
    "fields": {
        "guests": {"value": 4, "words": "for four people"},
        "name": {"value": "Zoé \x1b[2J", "words": None},
        "where": {"value": {"town": "Lyon", "floor": None}, "words": "à Lyon"},
        "urgent": {"value": False, "words": "no " * 40},
    },
    "missing": ["reason"],
    "faults": ["time: must be a time, as in 19:30"],
}

DRAWN = r"""
learnt: partial
  guests  4  (from "for four people")
  name    Zoé \x1b[2J  (not proven)
  where   {"town": "Lyon", "floor": null}  (from "à Lyon")
  urgent  false  (from "no no no no no no no no no no no no no no no no no no no no no no no no no
          no no no no no no no no no no no no no no no ")
  reason  missing
  ! time: must be a time, as in 19:30
"""


def drawn(extraction: Any) -> list[str]:
    """What stands below the timeline."""
    return drawing(Timeline.parse(call(extraction=extraction)))[5:]


def test_each_field_stands_with_where_it_is_from() -> None:
    lines = ["nothing has happened yet", "", *DRAWN.strip("\n").splitlines()]
    assert drawn(TOLD) == lines
    assert max(map(len, drawn(TOLD))) <= 100


@pytest.mark.parametrize("told", [None, {}])
def test_a_call_of_which_nothing_was_to_be_learnt_says_nothing(told: object) -> None:
    assert drawn(told) == ["nothing has happened yet"]


def test_a_call_in_which_nothing_was_said() -> None:
    told = {"status": "empty", "fields": {}, "missing": [], "faults": []}
    assert drawn(told)[2:] == ["learnt: empty"]


def test_a_daemon_of_another_version_may_tell_less() -> None:
    assert Learnt.parse({"status": "x", "fields": {"a": {}}}) == Learnt(
        "x", {"a": (None, "")}, (), ()
    )


@pytest.mark.parametrize("told", [{"fields": {}}, {"status": "x", "fields": {"a": 3}}, 3])
def test_what_is_none_is_refused(told: object) -> None:
    with pytest.raises(WireError):
        Timeline.parse(call(extraction=told))


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_show_tells_it_to_people_and_to_programs(
    house: Daemon, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    house.on("GET", f"/v1/calls/{SID}", call(extraction=TOLD))
    assert cli.main(["show", "--url", house.url, SID, *options]) == 0
    printed = capsys.readouterr().out
    if options:
        assert json.loads(printed)["extraction"] == TOLD
    else:
        assert "learnt: partial" in printed
