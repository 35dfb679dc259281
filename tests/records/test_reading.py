"""Pages of calls."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_store_stage import START, closed, opened, sid, store_in

from voiced.records import reading
from voiced.records.store import Store


def pages(store: Store, limit: int, state: str | None = None) -> list[list[str]]:
    found: list[list[str]] = []
    before = None
    while True:
        page = store.calls(state=state, limit=limit, before=before)
        found.append([each["sid"] for each in page["calls"]])
        before = page["next"]
        if before is None:
            return found


def test_pages_tell_of_each_call_once_the_latest_first(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        # Three began at the same moment, and a page ends among them.
        for number, at in enumerate([0.1, 0.3, 0.3, 0.3, 0.7]):
            store.write([opened(sid(number), START + at)])
        assert pages(store, 2) == [[sid(4), sid(3)], [sid(2), sid(1)], [sid(0)]]
        assert pages(store, 5) == [[sid(4), sid(3), sid(2), sid(1), sid(0)]]


def test_a_call_that_comes_while_somebody_turns_pages_shifts_none(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(sid(number), START + number) for number in range(3)])
        first = store.calls(state=None, limit=1, before=None)
        store.write([opened(sid(9), START + 9)])
        second = store.calls(state=None, limit=1, before=first["next"])
        assert [each["sid"] for each in second["calls"]] == [sid(1)]


def test_no_calls_are_one_empty_page(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        assert store.calls(state=None, limit=5, before=None) == {"calls": [], "next": None}


@pytest.mark.parametrize(
    ("state", "found"), [("live", [1]), ("ended", [2, 0]), (None, [2, 1, 0]), ("odd", [2, 1, 0])]
)
def test_calls_of_a_state(tmp_path: Path, state: str | None, found: list[int]) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(sid(number), START + number) for number in range(3)])
        store.write([closed(sid(0)), closed(sid(2))])
        assert pages(store, 1, state) == [[sid(number)] for number in found]


def test_a_page_shows_calls_as_they_are_shown_alone_but_for_the_timeline(tmp_path: Path) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(sid(1)), closed(sid(1))])
        alone = store.call(sid(1))
        assert alone
        del alone["timeline"], alone["extraction"]
        assert store.calls(state=None, limit=1, before=None)["calls"] == [alone]


@pytest.mark.parametrize("cursor", ["", "x", "_", "nan_CA1", "inf_", f"{START}_\ud83d", "é_é", "'"])
def test_a_cursor_that_is_not_ours_begins_at_the_latest(tmp_path: Path, cursor: str) -> None:
    with store_in(tmp_path) as store:
        store.write([opened(sid(1))])
        page = store.calls(state=None, limit=1, before=cursor)
        assert [each["sid"] for each in page["calls"]] == [sid(1)]


@given(st.floats(min_value=0, max_value=4e9), st.text(st.characters(codec="utf-8")))
def test_a_cursor_leads_back_to_where_it_was_made(at: float, sid: str) -> None:
    assert reading.edge(reading.cursor(at, sid)) == (at, sid)
