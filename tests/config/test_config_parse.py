"""The text of a configuration -> settings, or every problem in it."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
from attrs import fields
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from voiced.config import (
    DeepgramStt,
    EndOfTurn,
    HttpTool,
    Intent,
    LogLevel,
    MoshiStt,
    OpenAiLlm,
    PreCall,
    Secret,
    SecretSources,
    Settings,
    Tls,
    parse,
)
from voiced.config.embeddings import EMBEDDINGS
from voiced.config.engines import ENGINES
from voiced.config.render import toml
from voiced.config.settings import SECTIONS, Agent, Webhook
from voiced.errors import ConfigError

MINIMAL = """
[stt.kyutai]
type = "moshi"
[llm.local]
type = "openai"
[tts.kyutai]
type = "moshi"
[agent.default]
"""


def settings(extra: str = "") -> Settings:
    return parse(MINIMAL + dedent(extra), "v.toml")


def problems(extra: str, base: str = MINIMAL) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        parse(base + dedent(extra), "v.toml")
    return caught.value.problems


def problem(extra: str) -> str:
    (only,) = problems(extra)
    return only


def test_four_headers_are_enough_and_the_defaults_are_the_design_s() -> None:
    found = settings()
    assert (found.server.port, found.server.max_calls, found.server.drain_s) == (8765, 64, 900)
    assert found.stt == {"kyutai": MoshiStt(api_key=Secret("public_token"))}
    assert found.llm["local"] == OpenAiLlm()
    agent = found.agents["default"]
    assert (agent.stt, agent.llm, agent.tts) == (("kyutai",), ("local",), ("kyutai",))
    assert agent.end_of_turn is EndOfTurn.ENGINE
    assert found.log.level is LogLevel.INFO
    assert found.records.directory == Path("/var/lib/voiced")


def test_values_take_the_place_of_defaults() -> None:
    found = settings("""
        end_of_turn = "silence"
        idle_prompt_s = 7.5
        interruptible = false
        [server]
        tls = { certificate = "/c.pem", private_key = "/k.pem" }
        [stt.deepgram]
        type = "deepgram"
        endpointing_ms = 500
    """)
    agent = found.agents["default"]
    assert (agent.end_of_turn, agent.idle_prompt_s) == (EndOfTurn.SILENCE, 7.5)
    assert agent.interruptible is False
    assert found.server.tls == Tls(certificate=Path("/c.pem"), private_key=Path("/k.pem"))
    assert found.stt["deepgram"] == DeepgramStt(endpointing_ms=500)


def test_the_public_url_follows_the_port() -> None:
    assert settings("[server]\nport = 9000").server.public_url == "http://127.0.0.1:9000"


def test_the_texts_follow_the_language() -> None:
    assert settings('language = "en-GB"').agents["default"].goodbye.startswith("Thank you")
    assert settings('language = "fr"').agents["default"].goodbye.startswith("Merci")
    assert settings('greeting = ""').agents["default"].greeting == ""


def test_every_problem_is_told_at_once_in_the_order_of_the_file() -> None:
    found = problems("""
        stt = ["kyutaii"]
        silence_ms = "long"
        [server]
        prot = 1
        port = 0
    """)
    assert found == (
        "v.toml:10: agent.default.stt: there is no [stt.kyutaii]; did you mean kyutai?",
        "v.toml:11: agent.default.silence_ms: has a value of the wrong kind; use a whole number",
        "v.toml:13: server.prot: is not a key of voiced; did you mean port?",
        "v.toml:14: server.port: 0 is out of range; use a value from 1 to 65535",
    )


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ('stt = ["kyutaii"]', "v.toml:9: agent.default.stt: there is no [stt.kyutaii]; did you"),
        ("stt = []", "agent.default.stt: is empty"),
        ('stt = ["kyutai", "kyutai"]', "kyutai stands there twice"),
        ("stt = [1]", "use a list of texts in quotes"),
        ("stt = 'kyutai'", "use a list of texts in quotes"),
        ("[agent]\nsales = 3", "v.toml:10: agent.sales: is not a table; write [agent.sales]"),
        ('end_of_turn = "engin"', 'use "engine" or "silence"'),
        ("end_of_turn = 1", 'use "engine" or "silence"'),
        ("interruptible = 1", "use true or false"),
        ("silence_ms = true", "use a whole number"),
        ("idle_prompt_s = nan", "nan is out of range"),
        ("max_call_s = inf", "inf is out of range"),
        ('prompt = " "', "it is empty"),
        ('prompt = "Hi {nmae}"', "{nmae} is not a variable; did you mean name?"),
        ('greeting = "Hi {name!r}"', "{name!r} is not a variable; did you mean name?"),
        ('goodbye = "50 } off"', "it has a stray brace"),
        ('apology = "{"', "it has a stray brace"),
        ('language = "French"', "it is not a language"),
        ("[zzzzz]", "zzzzz: is not a key of voiced; known: agent, api, deadlines, "),
        ("[servr]", "servr: is not a key of voiced; did you mean server?"),
        ("[server]\nhost = ''", "server.host: it is empty"),
        ("[server.tls]\ncertificate = '/c'", "server.tls.private_key: is missing"),
        ("[server.tls]\ncertificate = 'c'\nprivate_key = '/k'", "it is a relative path"),
        ("[twilio]\nphone_number = '0612345678'", "it is not a telephone number"),
        ("[twilio]\naccount_sid = 'X1'", "it is not an account SID"),
        ("[twilio]\nauth_token = 'hush hush'", "it has a space or a character outside ASCII"),
        ("[twilio]\nauth_token = 5", "twilio.auth_token: has a value of the wrong kind"),
        ("[stt]\ntype = 'moshi'", "[stt.kyutai]"),
        ("[stt.x]", 'v.toml:9: stt.x.type: is missing; use "moshi" or "deepgram"'),
        ("[stt.x]\ntype = 'deepgrm'", "did you mean deepgram?"),
        ("[stt.x]\ntype = 3", 'use "moshi" or "deepgram"'),
        ("[stt.'a b']\ntype = 'moshi'", "is not a name"),
        ("[stt.x]\ntype = 'moshi'\nurl = 'http://h'", "does not begin with ws:// or wss://"),
        ("[tts.x]\ntype = 'cartesia'", "tts.x.voice: is missing"),
        ("[route]\ncalled = '1'", "write [[route]]"),
        (
            "[[route]]\nagent = 1\ncalled = '+33123456789'",
            "route[0].agent: has a value of the wrong",
        ),
        ("[[route]]\ncalled = [1]", "route[0].called: has a value of the wrong kind"),
        ("[twilio]\nauth_token = [1]", "twilio.auth_token: has a value of the wrong kind"),
        ("[llm.x]\ntype = 'openai'\nbase_url = 'http://[::1'", "llm.x.base_url: it is not a URL"),
        ("[[route]]\ncalled = '+33123456789'\nagent = 'defalt'", "did you mean default?"),
        ("[[route]]\ncalled = '+33123456789'\n" * 2, "v.toml:12: route[1].called: an earlier"),
        ("[records]\nretention_days = 0", "records.retention_days: 0 is out of range"),
        ("[log]\nlevel = 'loud'", 'use "debug" or "info" or "warning" or "error"'),
    ],
)
def test_a_problem_names_the_key_the_fault_and_the_cure(extra: str, words: str) -> None:
    assert words in problem(extra)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("voice.example.com", "does not begin with http:// or https://"),
        ("wss://voice.example.com", "does not begin with http:// or https://"),
        ("https://", "names no host"),
        ("https://h/?a=1", "has a query"),
        ("https://h/#a", "has a fragment"),
        ("https://me:hush@h/", "has a user"),
        ("https://h:99999", "is not a URL"),
        ("https://[::1", "is not a URL"),
        ("https://h/a b", "has a space"),
    ],
)
def test_a_wrong_public_url_is_explained_and_not_quoted(address: str, words: str) -> None:
    found = problem(f'[server]\npublic_url = "{address}"')
    assert words in found
    assert address not in found.replace("http://", "").replace("https://", "") or len(address) < 9


@pytest.mark.parametrize("section", ["server", "stt", "agent", "route"])
def test_a_section_that_is_no_table_is_told(section: str) -> None:
    found = "\n".join(problems("", base=f"{section} = 3"))
    assert f"v.toml:1: {section}: is not a " in found


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)
PLACES = [
    (*place, attribute.name)
    for kind, *place in [
        *((kind, name) for name, kind in SECTIONS.items()),
        *((kind, role, "x") for role, types in ENGINES.items() for kind in types.values()),
        (Agent, "agent", "x"),
        (PreCall, "agent", "x", "pre_call"),
        (Webhook, "webhook", "x"),
        *((kind, "embeddings", "x") for kind in EMBEDDINGS.values()),
    ]
    for attribute in fields(kind)
]
ARRAYS = [
    (key, a.name) for key, kind in (("tool", HttpTool), ("intent", Intent)) for a in fields(kind)
]


def inline(value: object) -> str:
    """A value as TOML; None, which TOML has not, as a date."""
    if isinstance(value, dict):
        pairs = (f"{toml(key)} = {inline(item)}" for key, item in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(inline(item) for item in value)}]"
    if isinstance(value, float):
        return repr(value)  # inf and nan, as TOML writes them
    return "1979-05-27" if value is None else toml(value)


def told(text: str) -> tuple[str, ...]:
    """The problems of a text, if it has any; each with its file, and its line if it has one."""
    environ = {"OPENAI_API_KEY": "x", "TWILIO_ACCOUNT_SID": "?"}
    found: tuple[str, ...] = ()
    try:
        parse(text, "v", SecretSources({}, environ))
    except ConfigError as error:
        found = error.problems
    assert all(re.match(r"v(:\d+)?: (?!this is not TOML)", sentence) for sentence in found)
    return found


@hypothesis(deadline=None)  # the machine may be busy
@given(st.sampled_from(PLACES), VALUES, st.sampled_from(["moshi", "openai", "cartesia"]))
def test_any_value_anywhere_gives_settings_or_problems(
    place: tuple[str, ...], value: object, kind: str
) -> None:
    *section, name = place
    text = f"{MINIMAL}[{'.'.join(section)}]\n{name} = {inline(value)}\n"
    text += f'type = "{kind}"\n' if section[0] in {*ENGINES, "embeddings"} else ""
    told(text)


@hypothesis(deadline=None)  # the machine may be busy
@given(st.sampled_from(ARRAYS), VALUES)
def test_any_value_in_an_array_gives_settings_or_problems(
    place: tuple[str, str], value: object
) -> None:
    key, name = place
    told(f"{MINIMAL}[[agent.default.{key}]]\n{name} = {inline(value)}\n")


def test_the_default_agent_must_be_there() -> None:
    (found,) = problems("", base="")
    assert found == (
        "v.toml: agent.default: is missing; "
        "add [agent.default], which answers when no route matches"
    )


def test_an_engine_with_a_problem_is_not_reported_as_missing_as_well() -> None:
    assert "stt.x.url" in problem("stt = ['x']\n[stt.x]\ntype = 'moshi'\nurl = 1")


def test_what_is_not_toml_is_told_with_its_line() -> None:
    assert problem("port = = 1").startswith("v.toml:9: this is not TOML: Invalid value; ")
    assert "this is not TOML" in problem("x = " + "9" * 5000)


@pytest.mark.parametrize("private", ["hush hush", "+3361234", "hush\\u0007"])
def test_private_values_never_stand_in_a_problem(private: str) -> None:
    found = "\n".join(
        problems(f"""
        [twilio]
        auth_token = "x {private}"
        phone_number = "x{private}"
        account_sid = "x{private}"
        [stt.x]
        type = "moshi"
        url = "x{private}"
        api_key = "x {private}"
    """)
    )
    assert found.count("\n") == 4
    assert private[:6] not in found


def test_a_token_that_is_missing_where_signatures_are_verified_is_a_warning() -> None:
    assert "twilio.auth_token is not set" in settings().warnings[0]
    assert settings("[twilio]\nverify_signatures = false").warnings == ()
    assert settings("[twilio]\nauth_token = 'x'").warnings == ()
    assert settings("[twilio]\nauth_token_secondary = 'x'").warnings == ()
