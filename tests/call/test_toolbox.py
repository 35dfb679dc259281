"""What the model is told of its tools, and what it means when it uses one."""

import pytest

from voiced.call.toolbox import MAX_SUMMARY, Toolbox
from voiced.dialog.parting import Parting, Phrase, Transfer
from voiced.engines.roles import ToolCall

NUMBER = "+33123456789"
BOTH = Toolbox(("hang_up", "transfer"), {"sales": NUMBER, "desk": "+33198765432"})


def used(name: str, arguments: str = "{}") -> ToolCall:
    return ToolCall("1", name, arguments)


def to_sales(summary: str = "", *, warm: bool = False) -> Parting:
    return Parting("transfer", (Phrase.TRANSFER,), Transfer(NUMBER, warm, summary))


@pytest.mark.parametrize(
    ("toolbox", "names"),
    [
        (Toolbox(), []),
        (Toolbox(("hang_up",)), ["hang_up"]),
        (Toolbox(("transfer",)), []),  # there is nobody to connect with
        (Toolbox(("transfer",), {"sales": NUMBER}), ["transfer"]),
        (Toolbox((), {"sales": NUMBER}), []),
        (BOTH, ["hang_up", "transfer"]),
    ],
)
def test_the_model_is_offered_what_it_may_use(toolbox: Toolbox, names: list[str]) -> None:
    assert [tool.name for tool in toolbox.tools] == names


def test_the_model_is_told_the_names_of_the_destinations_and_never_the_numbers() -> None:
    hang_up, transfer = BOTH.tools
    assert hang_up.parameters["properties"] == {}
    to = transfer.parameters["properties"]["to"]  # type: ignore[index]
    assert to["enum"] == ["sales", "desk"]
    assert NUMBER not in str(transfer)
    assert transfer.parameters["required"] == ["to"]


def test_a_warm_transfer_asks_the_model_for_a_summary() -> None:
    (transfer,) = Toolbox(("transfer",), {"sales": NUMBER}, warm=True).tools
    assert transfer.parameters["required"] == ["to", "summary"]


def test_a_tool_used_is_a_way_to_part() -> None:
    assert BOTH.parting([used("hang_up")]) == Parting("agent")
    assert BOTH.parting([used("transfer", '{"to": "sales"}')]) == to_sales()
    assert BOTH.parting([]) is None


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (used("order_pizza"), "unknown"),
        (used("transfer", "{"), "no JSON"),
        (used("transfer", "[]"), "no object"),
        (used("transfer", "{}"), "no destination"),
        (used("transfer", '{"to": 1}'), "no name"),
        (used("transfer", '{"to": "+33123456789"}'), "a number"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_not_understood_is_passed_over(
    call: ToolCall, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert BOTH.parting([call]) is None
    assert BOTH.parting([call, used("hang_up")]) == Parting("agent"), name
    assert "+33" not in caplog.text


def test_of_two_wishes_the_first_counts() -> None:
    assert BOTH.parting([used("transfer", '{"to": "sales"}'), used("hang_up")]) == to_sales()


def test_a_tool_that_the_agent_does_not_have_is_not_carried_out() -> None:
    assert Toolbox(("transfer",), {"sales": NUMBER}).parting([used("hang_up")]) is None
    assert Toolbox(("hang_up",), {"sales": NUMBER}).parting(
        [used("transfer", '{"to": "sales"}')]
    ) is None  # fmt: skip


def test_the_models_summary_goes_with_the_transfer_and_is_bounded() -> None:
    warm = Toolbox(("transfer",), {"sales": NUMBER}, warm=True)
    said = warm.parting([used("transfer", '{"to": "sales", "summary": "A table for two"}')])
    assert said == to_sales("A table for two", warm=True)
    assert warm.parting([used("transfer", '{"to": "sales", "summary": 7}')]) == to_sales(warm=True)
    much = used("transfer", f'{{"to": "sales", "summary": "{"x" * 5000}"}}')
    assert warm.parting([much]) == to_sales("x" * MAX_SUMMARY, warm=True)
