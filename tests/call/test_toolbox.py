"""What the model is told of its tools, and what it means when it asks for some."""

import pytest
import trio

from voiced.call.builtin import MAX_KEYS, MAX_SUMMARY, Gifts, Keypad, Recital, Tones
from voiced.call.toolbox import MAX_CALLS, Asked, Fetch, Job, Refused, Request, Toolbox
from voiced.dialog.digits import DigitRule
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.dialog.tools import Tool, ToolCall
from voiced.dialog.wish import Commit, Switch, Wish
from voiced.tools.model import Outcome

NUMBER = "+33123456789"
GIFTS = Gifts(
    {"sales": NUMBER, "desk": "+33198765432"},
    verbatim={"terms": "All calls are free."},
    agents=("billing",),
    digits=DigitRule("#", 2.0),
)
ALL = ("hang_up", "transfer", "send_digits", "collect_digits", "say_verbatim", "switch_agent")
TABLE = Tool(
    "book_table",
    "Books a table.",
    {
        "type": "object",
        "properties": {"guests": {"type": "integer", "minimum": 1}},
        "required": ["guests"],
        "additionalProperties": False,
    },
)


async def nothing(*_: object) -> Outcome:
    await trio.lowlevel.checkpoint()
    raise AssertionError


BOOKS = Request(TABLE, nothing, say="I am booking it.", commits=True)
LOOKS = Request(Tool("look", "Looks for a table."), nothing)
OWN = Toolbox(("hang_up", "transfer"), GIFTS, {"book_table": BOOKS, "look": LOOKS})


def call(name: str, arguments: str = "{}", id: str = "1") -> ToolCall:
    return ToolCall(id, name, arguments)


def work(toolbox: Toolbox, asked: ToolCall) -> object:
    """What is to be done at once about one call."""
    (job,) = toolbox.read([asked]).jobs
    assert job.call == asked
    return job.work


def deed(toolbox: Toolbox, asked: ToolCall) -> object:
    """What is wanted once the caller has heard the reply."""
    told = toolbox.read([asked])
    assert (told.jobs, told.wish and told.wish.calls) == ((), (asked,))
    return told.wish and told.wish.deed


@pytest.mark.parametrize(
    ("toolbox", "names"),
    [
        (Toolbox(), []),
        (Toolbox(("hang_up",)), ["hang_up"]),
        (Toolbox(ALL), ["hang_up", "send_digits", "collect_digits"]),  # the others lack something
        (Toolbox((), GIFTS), []),
        (Toolbox(ALL, GIFTS), list(ALL)),
        (OWN, ["hang_up", "transfer", "book_table", "look"]),
    ],
)
def test_the_model_is_offered_what_it_may_use(toolbox: Toolbox, names: list[str]) -> None:
    assert [tool.name for tool in toolbox.tools] == names


def test_the_model_is_told_the_names_of_the_destinations_and_never_the_numbers() -> None:
    (transfer,) = Toolbox(("transfer",), GIFTS).tools
    assert transfer.parameters["properties"]["to"]["enum"] == ["sales", "desk"]  # type: ignore[index]
    assert NUMBER not in str(transfer)


# --- what can be done at once -------------------------------------------------------------------


def test_keys_are_sent_and_awaited_and_texts_recited() -> None:
    toolbox = Toolbox(ALL, GIFTS)
    assert work(toolbox, call("send_digits", '{"keys": "12w#"}')) == Tones("12w#")
    assert work(toolbox, call("say_verbatim", '{"text": "terms"}')) == Recital(
        "All calls are free."
    )
    assert work(toolbox, call("collect_digits")) == Keypad(DigitRule("#", 5.0))
    asked = call("collect_digits", '{"most": 6, "pause_s": 3}')
    assert work(toolbox, asked) == Keypad(DigitRule("#", 3.0, 6))


def test_the_operators_tools_get_arguments_that_fit() -> None:
    assert work(OWN, call("look")) == Fetch(LOOKS, {})
    assert OWN.committed([call("book_table", '{"guests": 4}')]) == (
        Job(call("book_table", '{"guests": 4}'), Fetch(BOOKS, {"guests": 4})),
    )


# --- what waits for the caller ------------------------------------------------------------------


def test_ends_and_hand_overs_wait_until_they_are_heard() -> None:
    toolbox = Toolbox(ALL, GIFTS)
    assert deed(toolbox, call("hang_up")) == Parting("agent")
    sales = Parting("transfer", (Phrase.TRANSFER,), Transfer(NUMBER))
    assert deed(toolbox, call("transfer", '{"to": "sales"}')) == sales
    assert deed(toolbox, call("switch_agent", '{"agent": "billing"}')) == Switch("billing")
    assert deed(OWN, call("book_table", '{"guests": 4}')) == Commit()


def test_the_models_summary_goes_with_the_transfer_and_is_bounded() -> None:
    warm = Toolbox(("transfer",), Gifts({"sales": NUMBER}, warm=True))
    much = call("transfer", f'{{"to": "sales", "summary": "{"x" * 5000}"}}')
    parting = deed(warm, much)
    assert isinstance(parting, Parting)
    assert parting.transfer == Transfer(NUMBER, warm=True, summary="x" * MAX_SUMMARY)


def test_the_first_wish_of_several_counts_and_the_others_are_told_so() -> None:
    first, second = call("transfer", '{"to": "sales"}', "1"), call("hang_up", id="2")
    wish = OWN.read([first, second]).wish
    assert wish
    assert (wish.deed.reason, wish.calls, wish.others) == ("transfer", (first,), (second,))  # type: ignore[union-attr]


def test_tools_of_one_answer_are_done_together_and_before_any_end() -> None:
    ends, one, two = (
        call("hang_up", id="1"),
        *(call("book_table", '{"guests": 2}', id) for id in "23"),
    )
    assert OWN.read([ends, one, two]) == Asked((), Wish(Commit(), (one, two), (ends,)))


def test_what_an_earlier_answer_of_the_reply_wished_for_comes_first() -> None:
    before = Wish(Parting("agent"), (call("hang_up", id="0"),))
    asked = call("transfer", '{"to": "sales"}')
    assert OWN.read([asked], before).wish == Wish(before.deed, before.calls, (asked,))


def test_where_the_model_says_nothing_its_tool_has_words() -> None:
    assert OWN.announcements([call("look"), call("book_table")]) == ("I am booking it.",)
    assert OWN.announcements([call("look")]) == ()


# --- what there is not, or not so ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        (call("order_pizza"), "there is no tool of this name; there are: hang_up, transfer"),
        (call("send_digits"), "there is no tool of this name"),
        (call("transfer", "{"), "not a JSON object"),
        (call("transfer", "[]"), "not a JSON object"),
        (call("transfer", "{}"), "to"),
        (call("transfer", '{"to": 1}'), "to"),
        (call("transfer", f'{{"to": "{NUMBER}"}}'), "to"),
        (call("book_table", '{"guests": "four"}'), "guests"),
        (call("book_table", '{"guests": 0}'), "guests"),
        (call("book_table", '{"guests": 2, "when": 1}'), "nothing else"),
    ],
)
def test_what_is_not_understood_is_refused_with_the_reason(asked: ToolCall, why: str) -> None:
    refused = work(OWN, asked)
    assert isinstance(refused, Refused)
    assert why in refused.why
    assert "+33" not in refused.why


def test_keys_that_no_telephone_has_and_too_many_are_refused() -> None:
    toolbox = Toolbox(ALL, GIFTS)
    for keys in ("", "x", "1 2", "1" * (MAX_KEYS + 1)):
        assert isinstance(work(toolbox, call("send_digits", f'{{"keys": "{keys}"}}')), Refused)


def test_an_answer_that_asks_for_too_much_gets_the_first_of_it() -> None:
    jobs = OWN.read([call("look", id=str(n)) for n in range(MAX_CALLS + 2)]).jobs
    refused = [job.call.id for job in jobs if isinstance(job.work, Refused)]
    assert refused == [str(MAX_CALLS), str(MAX_CALLS + 1)]
