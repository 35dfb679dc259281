"""Where calls may go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.carrier.destinations import Destinations, country_code

PARIS, LONDON, NEW_YORK, TORONTO = "+33100000001", "+442071838750", "+12125550100", "+14165550100"
JAMAICA, MOSCOW, ALMATY = "+18765550100", "+74951234567", "+77271234567"
ISLANDS = """242 246 264 268 284 340 345 441 473 649 658 664 670 671 684 721 758 767 784 787 809
    829 849 868 869 876 939""".split()  # noqa: SIM905


def home(own_number: str) -> Destinations:
    return Destinations(own_number, (), ())


def digits_in(text: str) -> int:
    return max((len(word) for word in text.split() if word.isdigit()), default=0)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("+12125550100", "1"), ("+74951234567", "7"), ("+201012345678", "20"),
        ("+211912345678", "211"), ("+27821234567", "27"), ("+33612345678", "33"),
        ("+351912345678", "351"), ("+352621234567", "352"), ("+3581234567", "358"),
        ("+37060012345", "370"), ("+390612345678", "39"), ("+420601123456", "420"),
        ("+423660123456", "423"), ("+442071838750", "44"), ("+4915112345678", "49"),
        ("+5012345678", "501"), ("+525512345678", "52"), ("+590690123456", "590"),
        ("+66812345678", "66"), ("+67012345678", "670"), ("+80012345678", "800"),
        ("+819012345678", "81"), ("+8801712345678", "880"), ("+8613912345678", "86"),
        ("+905321234567", "90"), ("+96170123456", "961"), ("+989121234567", "98"),
        ("+992917123456", "992"),
    ],
)  # fmt: skip
def test_country_codes_are_those_of_e164(number: str, code: str) -> None:
    assert country_code(number) == code


def test_there_are_as_many_codes_of_two_digits_as_were_assigned() -> None:
    codes = {country_code(f"+{prefix}12345678") for prefix in range(200, 1000)}
    assert len({code for code in codes if len(code) == 2}) == 44
    assert {code for code in codes if len(code) == 1} == {"7"}


@pytest.mark.parametrize(
    ("own", "number"),
    [
        (PARIS, "+33612345678"),
        (LONDON, "+447911123456"),
        ("+35312345678", "+353871234567"),
        (NEW_YORK, TORONTO),
        (TORONTO, NEW_YORK),
        (NEW_YORK, "+18005550100"),
        (JAMAICA, "+18765550199"),
        (MOSCOW, "+79161234567"),
        (ALMATY, "+77011234567"),
        (ALMATY, "+76001234567"),
    ],
)
def test_the_own_country_may_be_dialled(own: str, number: str) -> None:
    assert home(own).fault(number) == ""


@pytest.mark.parametrize(
    ("own", "number", "names"),
    [
        (PARIS, LONDON, "only +33"),
        (PARIS, "+3531234567", "only +33"),
        (PARIS, NEW_YORK, "only +33"),
        ("+35312345678", "+351912345678", "only +353"),
        (NEW_YORK, LONDON, "only +1,"),
        (NEW_YORK, "+19005550100", "premium"),
        (NEW_YORK, "+12129765555", "premium"),
        (JAMAICA, "+18769765555", "premium"),
        (JAMAICA, NEW_YORK, "only area code 876"),
        (JAMAICA, "+16585550100", "only area code 876"),
        (MOSCOW, ALMATY, "+7 is shared"),
        (MOSCOW, "+76001234567", "+7 is shared"),
        (ALMATY, MOSCOW, "+7 is shared"),
    ],
)
def test_other_countries_may_not(own: str, number: str, names: str) -> None:
    fault = home(own).fault(number)
    assert names in fault
    assert "limits.allowed_prefixes" in fault
    assert digits_in(fault) < 5


@pytest.mark.parametrize("area", ISLANDS)
def test_no_island_is_dialled_from_the_mainland(area: str) -> None:
    number = f"+1{area}5550100"
    assert "outside the United States and Canada" in home(NEW_YORK).fault(number)
    assert home(number).fault(number) == ""
    assert home(number).fault(TORONTO)


@pytest.mark.parametrize(
    "number",
    ["", "112", "+112", "+33112", "+351112", "+1911", "+1911000", "+11125550100", "33612345678",
     "0033612345678", "+033612345678", "+33 612345678", "+33612345678 ", "+33612345678\n",
     "+3361234567a", "+٣٣612345678", "+3361234567890123", "client:bob", "sip:a@b.test",
     "+336123,45678", "+1212555010", "+121255501000"],
)  # fmt: skip
@pytest.mark.parametrize("allowed", [(), ("+",)])
def test_what_is_no_number_is_never_dialled(number: str, allowed: tuple[str, ...]) -> None:
    fault = Destinations(PARIS, allowed, ()).fault(number)
    assert fault.startswith("it is not a telephone number")
    assert not number or number not in fault


def test_a_list_takes_the_place_of_the_own_country() -> None:
    rule = Destinations(NEW_YORK, ("+33", "+1876"), ())
    assert rule.fault(PARIS) == rule.fault(JAMAICA) == ""
    assert "limits.allowed_prefixes" in rule.fault(TORONTO)


def test_what_is_denied_is_denied_always() -> None:
    listed = Destinations(PARIS, ("+33",), ("+3389",))
    assert listed.fault("+33612345678") == ""
    assert "limits.denied_prefixes" in listed.fault("+33899123456")
    assert "limits.denied_prefixes" in Destinations(PARIS, (), ("+3389",)).fault("+33899123456")
    assert "limits.denied_prefixes" in Destinations("", (), ("+3389",)).fault("+33899123456")


@pytest.mark.parametrize("own", ["", "anonymous", "+33"])
def test_without_a_number_or_a_list_nothing_is_dialled(own: str) -> None:
    fault = home(own).fault("+33612345678")
    assert "twilio.phone_number" in fault
    assert "limits.allowed_prefixes" in fault
    assert Destinations(own, ("+336",), ()).fault("+33612345678") == ""


@given(st.text() | st.from_regex(r"\+[0-9]{1,16}", fullmatch=True))
def test_any_text_is_judged_and_never_quoted(number: str) -> None:
    for own in (PARIS, NEW_YORK, JAMAICA, MOSCOW, ""):
        fault = home(own).fault(number)
        assert len(number) < 7 or number not in fault
        if not fault:
            assert country_code(number) == country_code(own)
