"""The settings of the line: the carrier, transfers, destinations, webhooks, what agents say."""

import pytest
from attrs import fields
from test_config_parse import problem, problems, settings

from voiced.config import MoshiTts, OnMachine, Secret, Webhook
from voiced.config.phrases import ENGLISH, FRENCH, Phrases

LONG = "x" * 65


def test_the_defaults_are_careful() -> None:
    found = settings()
    agent = found.agents["default"]
    assert (found.twilio.ring_s, found.twilio.calls_per_second) == (30, 1.0)
    assert found.twilio.auth_token_secondary is None
    assert (found.limits.allowed_prefixes, found.limits.denied_prefixes) == ((), ())
    assert (agent.transfers, agent.tools, agent.overflow_number) == ({}, (), "")
    assert (agent.digits_end, agent.digits_timeout_s) == ("#", 2.0)
    assert agent.on_machine is OnMachine.CONTINUE
    assert agent.warm_transfer is False
    assert found.webhooks == {}
    assert MoshiTts().calls_per_slot == 2.0


def test_what_is_set_is_taken() -> None:
    found = settings("""
        tools = ["hang_up", "transfer"]
        on_machine = "leave_message"
        digits_end = ""
        digits_timeout_s = 5
        overflow_number = "+33123456789"
        warm_transfer = true
        [agent.default.transfers]
        reception = "+33123456780"
        "front desk, ground floor" = "+33123456781"
        [twilio]
        auth_token = "a"
        auth_token_secondary = "b"
        ring_s = 45
        calls_per_second = 2
        [limits]
        allowed_prefixes = ["+33", "+1212"]
        denied_prefixes = ["+3389"]
        [tts.big]
        type = "moshi"
        calls_per_slot = 1.5
        [webhook.crm]
        url = "http://192.0.2.1:8080/hook?tenant=7"
        secret = "hush"
        events = ["turn.ended"]
        allow_private = true
    """)
    agent = found.agents["default"]
    assert agent.tools == ("hang_up", "transfer")
    assert list(agent.transfers.items()) == [
        ("reception", "+33123456780"),
        ("front desk, ground floor", "+33123456781"),
    ]
    assert agent.on_machine is OnMachine.LEAVE_MESSAGE
    assert (agent.digits_end, agent.digits_timeout_s) == ("", 5)
    assert (agent.overflow_number, agent.warm_transfer) == ("+33123456789", True)
    assert found.twilio.auth_token_secondary == Secret("b")
    assert (found.twilio.ring_s, found.twilio.calls_per_second) == (45, 2)
    assert found.limits.allowed_prefixes == ("+33", "+1212")
    assert found.limits.denied_prefixes == ("+3389",)
    assert found.tts["big"] == MoshiTts(calls_per_slot=1.5)
    assert found.webhooks["crm"] == Webhook(
        url="http://192.0.2.1:8080/hook?tenant=7",
        secret=Secret("hush"),
        events=("turn.ended",),
        allow_private=True,
    )
    assert found.warnings == ()


def test_transfers_may_stand_on_one_line() -> None:
    found = settings('tools = ["transfer"]\ntransfers = { desk = "+33123456789" }')
    assert found.agents["default"].transfers == {"desk": "+33123456789"}


@pytest.mark.parametrize(("language", "own"), [("fr-CA", FRENCH), ("en", ENGLISH), ("de", ENGLISH)])
def test_every_text_follows_the_language(language: str, own: Phrases) -> None:
    agent = settings(f'language = "{language}"').agents["default"]
    for attribute in fields(Phrases):
        assert getattr(agent, attribute.name) == getattr(own, attribute.name)


@pytest.mark.parametrize(
    "text", ["busy", "transfer_announcement", "transfer_failed", "resumed", "voicemail"]
)
def test_each_new_text_is_a_template(text: str) -> None:
    assert getattr(settings(f'{text} = ""').agents["default"], text) == ""
    found = problem(f'{text} = "Hi {{nmae}}"')
    assert f"agent.default.{text}: {{nmae}} is not a variable; did you mean name?" in found


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ('tools = ["hangup"]', "v.toml:9: agent.default.tools[0]: hangup is not a tool; did you"
         " mean hang_up?; use hang_up, transfer, send_digits, collect_digits, say_verbatim or "),
        ('tools = ["hang_up", "hang_up"]', "tools[1]: it stands there twice; delete one"),
        ('tools = ["transfer"]', "v.toml:9: agent.default.tools: transfer has nobody to transfer"
         " to; add [agent.default.transfers]"),
        ('tools = ["transfer"]\n[agent.default.transfers]', "transfer has nobody to transfer to"),
        ("transfers = 3", "transfers: is not a table; write [agent.default.transfers]"),
        ("tools = ['transfer']\ntransfers = 3", "agent.default.transfers: is not a table"),
        ("[agent.default.transfers]\ndesk = '012'", "v.toml:10: agent.default.transfers.desk: it is"
         " not a telephone number; use + and the digits"),
        ("[agent.default.transfers]\n'a b' = 3", "v.toml:10: agent.default.transfers.a b: has a"
         " value of the wrong kind; use text in quotes"),
        ("[agent.default.transfers]\n' ' = '+33123456789'", "its name is empty or too long; use"),
        (f"[agent.default.transfers]\n{LONG} = '+33123456789'", "its name is empty or too long"),
        ("overflow_number = '012'", "agent.default.overflow_number: it is not a telephone number"),
        ('on_machine = "hangup"', 'use "continue" or "hang_up" or "leave_message"'),
        ('digits_end = "##"', "digits_end: it is not a key of a telephone; use one of 0 to 9, *"),
        ('digits_end = "A"', "it is not a key of a telephone"),
        ("digits_timeout_s = 0.4", "0.4 is out of range; use a value from 0.5 to 30 s"),
        ("[twilio]\nring_s = 4", "4 is out of range; use a value from 5 to 600 s"),
        ("[twilio]\nring_s = 601", "601 is out of range"),
        ("[twilio]\ncalls_per_second = 0", "0 is out of range; use a value from 0.1 to 100"),
        ("[tts.x]\ntype = 'moshi'\ncalls_per_slot = 51", "51 is out of range; use a value from"),
        ("[limits]\nallowed_prefixes = ['+33', '33']", "v.toml:10: limits.allowed_prefixes[1]: it"
         " is not the beginning of a number; use + and 1 to 15 digits, as in +33 or +1212"),
        ("[limits]\ndenied_prefixes = ['+']", "limits.denied_prefixes[0]: it is not the beginning"),
        ("[limits]\ndenied_prefixes = ['+033']", "it is not the beginning of a number"),
        ("[limits]\ndenied_prefixes = ['+33*']", "it is not the beginning of a number"),
        ("[limits]\ndenied_prefixes = ['+1234567890123456']", "it is not the beginning of a"),
        ("[limits]\nallowed_prefixes = ['+33', '+33']", "prefixes[1]: it stands there twice"),
        ("[webhook.x]", "v.toml:9: webhook.x.url: is missing; Where the events are sent"),
        ("[webhook.x]\nurl = 'ftp://h'", "x.url: it does not begin with http:// or https://"),
        ("[webhook.x]\nurl = 'https://me@h'", "it has a user; use http:// or https:// with a host, "
         "port, path and query only"),
        ("[webhook.x]\nurl = 'https://h/#a'", "it has a fragment"),
        ("[webhook.x]\nurl = 'https://h'\nevents = ['call.end']", "events[0]: call.end is not an"
         " event; did you mean call.ended?; use call.started, turn.ended or call.ended"),
        ("[webhook.x]\nurl = 'https://h'\nsecret = 'hush hush'", "it has a space or a character"),
        ("[webhook.'a b']\nurl = 'https://h'", "is not a name; use letters, digits, - and _ only"),
        ("[webhook]\nurl = 'https://h'", "webhook.url: is not a table; write [webhook.url]"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_told_with_its_line_and_its_cure(extra: str, words: str) -> None:
    assert words in problem(extra)


def test_every_wrong_entry_is_told_at_once() -> None:
    found = problems("""
        tools = ["hangup", "trnsfer"]
        [agent.default.transfers]
        a = "1"
        b = 2
        [limits]
        allowed_prefixes = ["33", "+33", "1"]
    """)
    places = [text.split(": ")[:2] for text in found]
    assert places == [
        ["v.toml:10", "agent.default.tools[0]"],
        ["v.toml:10", "agent.default.tools[1]"],
        ["v.toml:12", "agent.default.transfers.a"],
        ["v.toml:13", "agent.default.transfers.b"],
        ["v.toml:15", "limits.allowed_prefixes[0]"],
        ["v.toml:15", "limits.allowed_prefixes[2]"],
    ]


def test_numbers_never_stand_in_a_problem() -> None:
    found = "\n".join(
        problems("""
        overflow_number = "0612345678"
        transfers = { a = "0612345678" }
        [limits]
        allowed_prefixes = ["0612345678"]
        [webhook.x]
        url = "x0612345678"
    """)
    )
    assert found.count("\n") == 3
    assert "0612345678" not in found


def test_a_webhook_without_a_secret_is_a_warning() -> None:
    quiet = "[twilio]\nverify_signatures = false\n"
    (warning,) = settings(f"{quiet}[webhook.crm]\nurl = 'https://h'\nsecret = ''").warnings
    assert "webhook.crm has no secret" in warning
    assert "is not signed" in warning
    assert settings(f"{quiet}[webhook.crm]\nurl = 'https://h'\nsecret = 's'").warnings == ()


def test_no_number_and_no_prefix_and_no_api_token_are_no_warnings() -> None:
    assert settings("[twilio]\nauth_token = 'x'").warnings == ()
