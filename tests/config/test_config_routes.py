"""Who answers: patterns of numbers, withheld callers, the order of routes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_config_parse import problem, settings

from voiced.config import Route, Settings, is_withheld
from voiced.config import hours as hours_module

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WITHHELD = [
    "", "anonymous", "Restricted", "UNAVAILABLE", "unknown", "Blocked", " Anonymous ",
    "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253",
]  # fmt: skip


def routed(*routes: Route) -> Settings:
    return Settings(agents={}, routes=routes)


@pytest.mark.parametrize(
    ("pattern", "number", "expected"),
    [
        ("", "+33123456789", True),
        ("", "", True),
        ("", "garbage \x00", True),
        ("+33123456789", "+33123456789", True),
        ("+33123456789", "+331234567890", False),
        ("+33123456789", "33123456789", False),
        ("+331*", "+33123456789", True),
        ("+331*", "+331", True),
        ("+331*", "+33", False),
        ("+331*", "331", False),
        ("client:anna", "client:anna", True),
        ("client:anna", "client:anna2", False),
        ("client:a*", "client:anna", True),
        ("client:*", "client:", True),
        ("client:*", "sip:anna@h", False),
        ("sip:desk@*", "sip:desk@h;transport=tls", True),
    ],
)
def test_a_pattern_is_a_number_a_beginning_an_address_or_nothing(
    pattern: str, number: str, *, expected: bool
) -> None:
    assert Route(called=pattern).matches(number, "+33600000000", NOON) is expected
    if number:
        assert Route(caller=pattern).matches("+33100000000", number, NOON) is expected


@pytest.mark.parametrize("number", WITHHELD)
def test_a_withheld_caller_matches_that_word_and_anything_and_no_number(number: str) -> None:
    assert is_withheld(number)
    assert Route(caller="withheld").matches("+331", number, NOON)
    assert Route().matches("+331", number, NOON)
    assert not Route(caller=f"{number[:3]}*").matches("+331", number, NOON)
    assert not Route(caller=number or "+331").matches("+331", number, NOON)


@pytest.mark.parametrize("number", ["+33123456789", "withheld", "+2666966870", "client:anonymous"])
def test_other_callers_are_not_withheld(number: str) -> None:
    assert not is_withheld(number)
    assert not Route(caller="withheld").matches("+331", number, NOON)


def test_a_keypad_word_as_the_dialled_number_is_a_number() -> None:
    assert Route(called="+2666*").matches("+266696687", "", NOON)


def test_the_first_matching_route_wins_and_the_default_agent_answers_else() -> None:
    found = settings("""
        [agent.vip]
        [agent.paris]
        [agent.shy]
        [[route]]
        caller = "+33699*"
        agent = "vip"
        [[route]]
        caller = "withheld"
        agent = "shy"
        [[route]]
        called = "+331*"
        agent = "paris"
        [[route]]
        called = "+33*"
        caller = "client:desk"
        agent = "vip"
    """)
    assert found.agent_for("+33123456789", "+33699123456", NOON) == "vip"
    assert found.agent_for("+33123456789", "Anonymous", NOON) == "shy"
    assert found.agent_for("+33123456789", "+33612345678", NOON) == "paris"
    assert found.agent_for("+33423456789", "client:desk", NOON) == "vip"
    assert found.agent_for("+33423456789", "+33612345678", NOON) == "default"


def test_outside_its_hours_a_route_is_passed_over() -> None:
    found = settings("""
        [agent.day]
        [agent.night]
        [[route]]
        called = "+33123456789"
        hours = ["mon-fri 09:00-18:00"]
        time_zone = "Europe/Paris"
        agent = "day"
        [[route]]
        called = "+33123456789"
        agent = "night"
    """)
    asked = [
        found.agent_for("+33123456789", "", NOON + timedelta(hours=n)) for n in (0, 4.9, 5, 24)
    ]
    assert asked == ["day", "day", "night", "night"]


def test_hours_are_those_of_the_zone_wherever_the_moment_was_read() -> None:
    route = Route(hours=("fri 21:00-22:00",), time_zone="Asia/Tokyo")
    elsewhere = timezone(timedelta(hours=-5))
    assert route.matches("", "", NOON)
    assert route.matches("", "", NOON.astimezone(elsewhere))


def test_without_a_zone_the_machine_s_own_clock_counts() -> None:
    local = NOON.astimezone()
    now = f"daily {local:%H:%M}-{local + timedelta(minutes=1):%H:%M}"
    assert Route(hours=(now,)).matches("", "", NOON)
    assert not Route(hours=(now,)).matches("", "", NOON + timedelta(minutes=1))


PATTERNS = st.sampled_from(
    ["", "+33123456789", "+331*", "client:*", "sip:a@h", "withheld", "+266696687"]
)


@given(PATTERNS, PATTERNS, st.text(), st.text())
def test_no_string_in_a_call_breaks_the_choice(
    called: str, caller: str, to: str, from_: str
) -> None:
    found = routed(Route(called=called, caller=caller, hours=("daily 00:00-24:00",), agent="x"))
    assert found.agent_for(to, from_, NOON) in {"x", "default"}
    assert isinstance(is_withheld(from_), bool)


@pytest.mark.parametrize("key", ["called", "caller"])
@pytest.mark.parametrize(
    "pattern",
    ["0612345678", "*", "+*", "331*", "+33*1", "+33**", "client:", "sip:a b", "client:a*b",
     "+0612345678", "tel:+331", "+1234567890123456*", "+33123456789\\n"],
)  # fmt: skip
def test_what_is_no_pattern_is_told_and_not_quoted(key: str, pattern: str) -> None:
    found = problem(f'[[route]]\n{key} = "{pattern}"')
    assert found.startswith(f"v.toml:10: route[0].{key}: it is not a pattern of numbers; use a num")
    assert "0612345678" not in found


def test_only_a_caller_may_be_withheld() -> None:
    assert settings('[[route]]\ncaller = "withheld"').routes[0].caller == "withheld"
    assert "route[0].called: it is not a pattern" in problem('[[route]]\ncalled = "withheld"')


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (
            'hours = ["mon-fry 09:00-18:00"]',
            "route[0].hours[0]: fry is not a day; did you mean fri?",
        ),
        ('hours = ["daily 08:00-09:00", "mon 9h-18h"]', "hours[1]: it is not days and hours; use "),
        ('hours = ["mon 09:00-25:00"]', "hours[0]: 25:00 is not a time of day; use days and hours"),
        ('hours = ["mon 09:00-10:00", "mon 09:00-10:00"]', "hours[1]: it stands there twice"),
        ('hours = "mon 09:00-10:00"', "hours: has a value of the wrong kind; use a list of texts"),
        ('time_zone = "Europe/Pariss"', "time_zone: it is not a time zone; did you mean Europe/P"),
        ('time_zone = "@@@@"', "time_zone: it is not a time zone; use the name of a zone, as in"),
        ('time_zone = "../Paris"', "time_zone: it is not a time zone"),
        ('time_zone = "Europe"', "time_zone: it is not a time zone"),
    ],
)
def test_a_problem_with_the_hours_is_told(extra: str, words: str) -> None:
    found = problem(f"[[route]]\n{extra}")
    assert words in found
    assert found.startswith("v.toml:10: route[0].")


def test_a_machine_without_time_zones_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hours_module, "available_timezones", set)
    assert "install the package tzdata" in problem('[[route]]\ntime_zone = "Europe/Paris"')
    assert settings('[[route]]\ntime_zone = ""').routes == (Route(),)


ROUTE = '[[route]]\ncalled = "+331*"\ncaller = "withheld"\nhours = ["mon 09:00-10:00"]\n'


def test_a_route_that_an_earlier_one_hides_is_told() -> None:
    found = problem(f'[agent.b]\n{ROUTE}agent = "b"\n{ROUTE}')
    assert found.startswith("v.toml:16: route[1].called: an earlier route has it")
    assert problem("[[route]]\n[[route]]").startswith("v.toml:10: route[1].called: an earlier")


@pytest.mark.parametrize(
    "other",
    [
        ROUTE.replace("+331*", "+332*"),
        ROUTE.replace("withheld", ""),
        ROUTE.replace("mon", "tue"),
        f'{ROUTE}time_zone = "UTC"\n',
    ],
)
def test_routes_that_differ_in_anything_but_the_agent_may_stand_together(other: str) -> None:
    assert len(settings(ROUTE + other).routes) == 2
