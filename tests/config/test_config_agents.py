"""What an agent may do beside talking: other agents, fixed texts, extraction, `pre_call`."""

import pytest
from test_config_parse import problems, settings

from voiced.config import OpenAiEmbeddings, PreCall, Secret, SecretSources, parse, render
from voiced.config.tools import BUILT_IN

EMBEDDINGS = "[embeddings.local]\ntype = 'openai'\nmodel = 'bge-m3'\n"
EXTRACT = """
[agent.default.extract]
type = "object"
[agent.default.extract.properties]
reason = { type = "string", enum = ["booking", "other"] }
"""
ALL = f"""
tools = ["{'", "'.join(BUILT_IN)}"]
switches = ["english"]
languages = {{ en = "english", fr = "default" }}
verbatim = {{ "the law" = "This call is recorded by {{company}}." }}
transfers = {{ reception = "+33123456789" }}
history_tokens = 500
remember = true
embeddings = "local"
pre_call = {{ url = "https://h/callers?key=hush", secret = "hush", timeout_s = 5 }}
{EXTRACT}
[agent.english]
{EMBEDDINGS}api_key = "hush"
timeout_ms = 10
"""


def test_nothing_of_it_is_there_unless_it_is_written() -> None:
    agent = settings().agents["default"]
    assert (agent.tools, agent.switches, agent.languages, agent.verbatim) == ((), (), {}, {})
    assert (agent.history_tokens, agent.remember) == (6000, False)
    assert (agent.extract, agent.pre_call) == ({}, None)
    assert settings().embeddings == {}


def test_all_of_it_is_read_and_read_back_as_it_is_written() -> None:
    found = settings(ALL)
    agent = found.agents["default"]
    assert agent.tools == BUILT_IN
    assert (agent.switches, agent.languages) == (("english",), {"en": "english", "fr": "default"})
    assert agent.verbatim == {"the law": "This call is recorded by {company}."}
    assert (agent.history_tokens, agent.remember, agent.embeddings) == (500, True, "local")
    assert agent.extract["type"] == "object"
    assert agent.pre_call == PreCall(
        url="https://h/callers?key=hush", secret=Secret("hush"), timeout_s=5
    )
    assert found.embeddings == {
        "local": OpenAiEmbeddings(model="bge-m3", api_key=Secret("hush"), timeout_ms=10)
    }
    assert found.embeddings["local"].address == "http://127.0.0.1:11434/v1"
    text = render(found)
    assert "hush" not in text
    assert render(parse(text, "rendered")) == text
    back = parse(text, "rendered").agents["default"]
    assert (back.extract, back.verbatim) == (agent.extract, agent.verbatim)
    assert back.pre_call == PreCall(
        url="https://h/callers?***", secret=Secret("********"), timeout_s=5
    )


def test_an_address_without_a_query_is_shown_whole() -> None:
    text = render(settings("[agent.default.pre_call]\nurl = 'https://h/callers'"))
    assert '\n[agent.default.pre_call]\nurl = "https://h/callers"\n# secret is not set\n' in text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tools = ['say_verbatim']", "v.toml:9: agent.default.tools: say_verbatim has no text to s"
         "ay; add [agent.default.verbatim]"),
        ("tools = ['switch_agent']", "v.toml:9: agent.default.tools: switch_agent has no agent to "
         "switch to; name some in agent.default.switches"),
        ("switches = ['x']", "v.toml:9: agent.default.switches[0]: there is no [agent.x]; known"),
        ("switches = ['default']", "agent.default.switches[0]: is the agent itself; name another,"),
        ("switches = ['x', 'x']\n[agent.x]", "agent.default.switches[1]: it stands there twice; d"),
        ("[agent.default.languages]\nen = 'x'", "v.toml:10: agent.default.languages.en: there is "),
        ("[agent.default.languages]\nEN = 'default'", "languages.EN: it is not a language; use a"),
        ("[agent.default.languages]\nen = 3", "languages.en: has a value of the wrong kind; use t"),
        ("[agent.default.verbatim]\na = ''", "v.toml:10: agent.default.verbatim.a: it is empty; u"),
        ("[agent.default.verbatim]\na = '{x}'", "v.toml:10: agent.default.verbatim.a: {x} is not a"
         " variable; known: called"),
        ("[agent.default.verbatim]\n' ' = 'a'", "its name is empty or too long; use a name of"),
        ("history_tokens = 499", "499 is out of range; use a value from 500 to 1000000 tokens"),
        ("remember = 1", "agent.default.remember: has a value of the wrong kind; use true or fal"),
        ("embeddings = 'locl'", "v.toml:9: agent.default.embeddings: there is no [embeddings.locl"),
        (f"embeddings = 'locl'\n{EMBEDDINGS}", "[embeddings.locl]; did you mean local?"),
        ("embeddings = 3", "agent.default.embeddings: has a value of the wrong kind; use text in"),
        ("[embeddings.x]\nmodel = 'a'", 'v.toml:9: embeddings.x.type: is missing; use "openai"'),
        ("[embeddings.x]\ntype = 'opnai'", "x.type: is not a type of embeddings engine; did you m"),
        ("[embeddings.x]\ntype = 'openai'", "v.toml:9: embeddings.x.model: is missing; The model'"),
        (f"{EMBEDDINGS}timeout_ms = 9", "9 is out of range; use a value from 10 to 1000 ms"),
        (f"{EMBEDDINGS}base_url = 'ws://h'", "it does not begin with http:// or https://"),
        ("[embeddings.'a b']\ntype = 'openai'\nmodel = 'm'", "is not a name; use letters, digits"),
        ("embeddings = ''\n[embeddings]\nx = 3", "embeddings.x: is not a table; an engine has a "),
        ("extract = 3", "agent.default.extract: is not a table; write [agent.default.extract]"),
        ("[agent.default.extract]\ntype = 'string'", "v.toml:10: agent.default.extract.type: is n"
         'ot that of a table with names; use "object"'),
        (f"{EXTRACT}guests.type = 'integr'", "v.toml:14: agent.default.extract.properties.guests."
         'type: has a wrong value; use "object" or '),
        (f"{EXTRACT}{'x' * 200} = 3", f"v.toml:12: agent.default.extract.properties.{'x' * 64}: i"),
        ("pre_call = 3", "agent.default.pre_call: is not a table; write [agent.default.pre_call]"),
        ("[agent.default.pre_call]\n", "v.toml:9: agent.default.pre_call.url: is missing; Whom i"),
        ("[agent.default.pre_call]\nurl = 'h'", "v.toml:10: agent.default.pre_call.url: it does n"),
        ("pre_call = { url = 'https://h', timeout_s = 6 }", "6 is out of range; use a value from "),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_its_cure(text: str, words: str) -> None:
    assert words in problems(text)[0]


def test_each_tool_that_lacks_something_is_told_once() -> None:
    lacking = "v.toml:9: agent.default.tools: "
    found = problems("tools = ['switch_agent', 'say_verbatim', 'transfer']")
    assert [text.removeprefix(lacking).split()[0] for text in found] == [
        "switch_agent", "say_verbatim", "transfer",
    ]  # fmt: skip


def test_a_pre_call_without_a_secret_is_a_warning() -> None:
    _, warning = settings("pre_call = { url = 'https://h' }").warnings
    assert warning == (
        "agent.default.pre_call has no secret, so what it sends is not signed; "
        "set agent.default.pre_call.secret, or the systemd credential of that name"
    )
    assert len(settings("pre_call = { url = 'https://h', secret = 'x' }").warnings) == 1


def test_its_secrets_are_in_the_places_of_all_secrets() -> None:
    base = "[stt.kyutai]\ntype='moshi'\n[llm.local]\ntype='openai'\n[tts.kyutai]\ntype='moshi'\n"
    text = f"{base}[agent.default]\npre_call = {{ url = 'https://h' }}\n{EMBEDDINGS}"
    credentials = {"agent.default.pre_call.secret": b"hush", "embeddings.local.api_key": b"key"}
    found = parse(text, "v", SecretSources(credentials))
    assert found.agents["default"].pre_call == PreCall(url="https://h", secret=Secret("hush"))
    assert found.embeddings["local"].api_key == Secret("key")
    found = parse(text, "v", SecretSources(environ={"OPENAI_API_KEY": "mine"}))
    assert found.embeddings["local"].api_key == Secret("mine")
