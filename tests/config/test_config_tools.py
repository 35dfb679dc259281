"""The tools of an agent: what they need, what may stand in braces, and every fault there is."""

import pytest
from test_config_parse import problem, problems, settings

from voiced.config import HttpTool, Method, OnBargeIn, Secret, SecretSources, parse, render
from voiced.config.tools import BUILT_IN

HEAD = "[[agent.default.tool]]\n"
SMALL = f"{HEAD}name = 'menu'\ndescription = 'Tells the menu.'\nurl = 'https://h/menu'\n"
"""Lines 9 to 12 of the file."""
PARAMETERS = """
[agent.default.tool.parameters]
type = "object"
required = ["day"]
[agent.default.tool.parameters.properties]
day = { type = "string", format = "date" }
guests = { type = "integer" }
"""
WHOLE = f"""
[[agent.default.tool]]
name = "book_table"
description = "Books a table."
method = "PUT"
url = "https://h:8443/days/{{day}}?for={{guests}}&from={{caller}}"
headers = {{ Authorization = "Bearer {{secret}}", X-Shop = "{{shop}} {{{{x}}}}" }}
secret = "hush"
body = {{ note = "for {{guests}}", at = [{{ n = "{{guests}}" }}, 3, true, 1.5], empty = {{}} }}
timeout_s = 0.1
say = "One moment, {{shop}}."
progress = "Still at it."
commit = true
on_barge_in = "detach"
allow_private = true
{PARAMETERS}
[agent.default.variables]
shop = "the shop"
"""
USE = (
    "use the tool's parameters, {name}, {company}, {caller}, {called}, {date} and the agent's own v"
)


def tools(text: str) -> tuple[HttpTool, ...]:
    return settings(text).agents["default"].tool


def test_there_are_none_unless_they_are_written() -> None:
    assert settings().agents["default"].tool == ()


def test_a_small_one_asks_with_post_and_takes_nothing() -> None:
    (tool,) = tools(SMALL)
    assert tool == HttpTool(name="menu", description="Tells the menu.", url="https://h/menu")
    assert (tool.method, tool.timeout_s, tool.on_barge_in) == (Method.POST, 10, OnBargeIn.CANCEL)
    assert tool.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert (tool.body, tool.secret, tool.headers) == (None, None, {})
    assert (tool.commit, tool.allow_private) == (False, False)


def test_a_whole_one_is_read_as_it_is_written() -> None:
    (tool,) = tools(WHOLE)
    assert (tool.method, tool.on_barge_in) == (Method.PUT, OnBargeIn.DETACH)
    assert tool.secret == Secret("hush")
    assert tool.headers == {"Authorization": "Bearer {secret}", "X-Shop": "{shop} {{x}}"}
    assert tool.body == {
        "note": "for {guests}", "at": [{"n": "{guests}"}, 3, True, 1.5], "empty": {}
    }  # fmt: skip
    assert tool.parameters["required"] == ["day"]
    assert "hush" not in repr(tool)


def test_several_keep_their_order_and_each_its_own_tables() -> None:
    second = SMALL.replace("menu", "wine")
    found = tools(f"{SMALL}{PARAMETERS}{second}[agent.default.tool.headers]\nA = 'b'")
    assert [tool.name for tool in found] == ["menu", "wine"]
    assert ["day" in tool.parameters["properties"] for tool in found] == [True, False]  # type: ignore[operator]
    assert [tool.headers for tool in found] == [{}, {"A": "b"}]


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_tool_is_called_like_a_built_in_one(name: str) -> None:
    found = problem(SMALL.replace("'menu'", f"'{name}'"))
    assert f"v.toml:10: agent.default.tool[0].name: voiced has a tool {name} of its own; " in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tool = 3", "v.toml:9: agent.default.tool: is not a list of tables; write "
         "[[agent.default.tool]]"),
        ("tool = [3]", "v.toml:9: agent.default.tool[0]: is not a table; write [[agent.default.to"),
        ("[agent.default.tool]\nname = 'a'", "is not a list of tables; write [[agent.default.tool"),
        (SMALL.replace("menu'\nd", "Menu'\nd"), "tool[0].name: it is not a name; use a name of up"),
        (SMALL.replace("'menu'", f"'a{'b' * 64}'"), "v.toml:10: agent.default.tool[0].name: it is"),
        (SMALL.replace("'Tells the menu.'", "' '"), "v.toml:11: agent.default.tool[0].description"),
        (f"{HEAD}name = 'a'\ndescription = 'b'", "v.toml:9: agent.default.tool[0].url: is missing"),
        (SMALL + SMALL, "v.toml:14: agent.default.tool[1].name: an earlier tool of this agent has"),
        (f"{SMALL}mehtod = 'GET'", "v.toml:13: agent.default.tool[0].mehtod: is not a key of voic"),
        (f"{SMALL}method = 'get'", '.method: has a value of the wrong kind; use "GET" or "POST" o'),
        (f"{SMALL}timeout_s = 61", "v.toml:13: agent.default.tool[0].timeout_s: 61 is out of ran"),
        (f"{SMALL}timeout_s = 0", "timeout_s: 0 is out of range; use a value from 0.1 to 60 s"),
        (f"{SMALL}on_barge_in = 'stop'", 'wrong kind; use "cancel" or "detach"'),
        (f"{SMALL}secret = 'hush hush'", "tool[0].secret: it has a space or a character outside A"),
        (f"{SMALL}commit = true", "v.toml:9: agent.default.tool[0].say: is missing; with commit ="),
        (f"{SMALL}commit = true\nsay = ' '", "v.toml:14: agent.default.tool[0].say: is missing; w"),
        (f"{SMALL}say = '{{guest}}'{PARAMETERS}", "v.toml:13: agent.default.tool[0].say: {guest} "
         "is not a variable; known: "),
        (f"{SMALL}progress = '{{'", "tool[0].progress: it has a stray brace; use only the varia"),
        (f"{SMALL}method = 'GET'\nbody = {{}}", "v.toml:14: agent.default.tool[0].body: is not for"
         ' GET; delete it, or use method = "POST"'),
        (f"{SMALL}headers = 3", "tool[0].headers: is not a table; write [agent.default.tool.heade"),
        (f"{SMALL}headers = {{ A = 3 }}", "headers.A: has a value of the wrong kind; use text in"),
        (f"{SMALL}headers = {{ A = '' }}", "headers.A: it is empty, or has what a header cannot"),
        (f'{SMALL}headers = {{ A = "a\\nb" }}', "headers.A: it is empty, or has what a header can"),
        (f"{SMALL}headers = {{ A = '€' }}", "headers.A: it is empty, or has what a header cannot"),
        (f"{SMALL}headers = {{ A = '{{' }}", "headers.A: it has a stray brace"),
        (f"{SMALL}headers = {{ 'A b' = 'c' }}", "headers.A b: it is not a header; use the name of"),
        (f"{SMALL}headers = {{ Host = 'c' }}", "headers.Host: voiced sends this header itself; us"),
        (f"{SMALL}headers = {{ A = '{{secrt}}' }}", "v.toml:13: agent.default.tool[0].headers.A: "
         f"{{secrt}} is not a parameter or a variable; did you mean secret?; {USE}"),
        (f"{SMALL}body = 3", "tool[0].body: is not a table; write [agent.default.tool.body]"),
        (f"{SMALL}[agent.default.tool.body]\na = 1\nb = '{{secret}}'", "v.toml:15: agent.default."
         "tool[0].body.b: {secret} may stand in headers only; move it there"),
        (f"{SMALL}body = {{ a = [{{ b = '{{gests}}' }}] }}{PARAMETERS}", "v.toml:13: agent.default."
         "tool[0].body.a[0].b: {gests} is not a parameter or a variable; did you mean guests?;"),
        (f"{SMALL}body = {{ a = '}}' }}", "body.a: it has a stray brace; a brace that is meant is"),
        (f"{SMALL}body = {{ a = 1979-05-27 }}", "body.a: JSON cannot hold it; put a date in quot"),
        (f"{SMALL}body = {{ a = nan }}", "body.a: JSON cannot hold it; put a date in quotes, and"),
        (f"{SMALL}[agent.default.tool.body]\n{'.'.join('a' * 25)} = 1", "JSON cannot hold it; put"),
        (f"{SMALL}parameters = []", "tool[0].parameters: is not a table; write [agent.default.too"),
        (f"{SMALL}parameters = {{}}", 'tool[0].parameters.type: is missing; use type = "object"'),
        (f"{SMALL}{PARAMETERS}day2.typ = 'string'", "v.toml:20: agent.default.tool[0].parameters."
         "properties.day2.typ: is not a keyword of a schema here; did you mean type?"),
        (f"{SMALL}{PARAMETERS}date = {{}}", "v.toml:20: agent.default.tool[0].parameters.properti"
         "es.date: is called like a variable; give it a name of its own"),
        (f"{SMALL}{PARAMETERS}secret = {{}}", "properties.secret: is called like a variable; give"),
        (f"{SMALL}{PARAMETERS}shop = {{}}\n[agent.default.variables]\nshop = ''", "properties.shop"
         ": is called like a variable; give it a name of its own"),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_line_and_its_cure(text: str, words: str) -> None:
    assert words in problem(text)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://h", "it does not begin with http:// or https://"),
        ("{company}://h/", "it does not begin with http:// or https://"),
        (
            "https://{company}/",
            "it has braces in its host; use http:// or https:// with a host, po",
        ),
        ("https://h{company}/", "it has braces in its host"),
        ("https://h:{company}/", "it is not a URL"),
        ("https://hush@h/", "it has a user"),
        ("https://h/#hush", "it has a fragment"),
        ("https://h/a b", "it has a space in it"),
        ("https://h/{", "it has a stray brace"),
        ("https://h/{secret}", "{secret} may stand in headers only; move it there"),
        ("https://h/{compny}", "{compny} is not a parameter or a variable; did you mean company?;"),
        ("https://h/{}", "{} is not a parameter or a variable"),
        ("https://h/{company!r}", "{company!r} is not a parameter or a variable; did you mean com"),
    ],
)
def test_a_wrong_url_is_told_and_not_quoted(url: str, words: str) -> None:
    found = problem(SMALL.replace("https://h/menu", url))
    assert f"v.toml:12: agent.default.tool[0].url: {words}" in found
    assert "hush" not in found


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = problems(f"""
        {HEAD}        name = "transfer"
        url = "h"
        commit = true
        {HEAD}        name = "b"
        description = 1
        url = "https://h/{{x}}"
        [agent.default.tool.parameters]
        type = "objct"
        properties = {{ name = {{ type = "text" }}, y = 3 }}
    """)
    assert [text.split(": ")[:2] for text in found] == [
        [f"v.toml:{line}", f"agent.default.tool[{key}"]
        for line, key in [
            (10, "0].description"),
            (10, "0].say"),
            (11, "0].name"),
            (12, "0].url"),
            (16, "1].description"),
            (17, "1].url"),
            (19, "1].parameters.type"),
            (20, "1].parameters.properties.name.type"),
            (20, "1].parameters.properties.y"),
            (20, "1].parameters.properties.name"),
        ]
    ]


def from_places(text: str, sources: SecretSources) -> tuple[HttpTool, ...]:
    base = "[stt.kyutai]\ntype='moshi'\n[llm.local]\ntype='openai'\n[tts.kyutai]\ntype='moshi'\n"
    return parse(f"{base}[agent.default]\n{text}", "v.toml", sources).agents["default"].tool


def test_its_secret_is_looked_up_by_its_name_wherever_it_stands() -> None:
    two = SMALL + SMALL.replace("menu", "wine")
    name = "agent.default.tool.wine.secret"
    menu, wine = from_places(two, SecretSources({name: b"hush\n"}))
    assert (menu.secret, wine.secret) == (None, Secret("hush"))
    menu, wine = from_places(two, SecretSources(file={name: ("mine", "s.toml:1")}))
    assert (menu.secret, wine.secret) == (None, Secret("mine"))
    menu, wine = from_places(two, SecretSources(environ={"": "nameless"}))
    assert (menu.secret, wine.secret) == (None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{SMALL}headers = {{ A = '{{secret}}' }}", "agent.default.tool.menu.secret is not set"),
        (f"{SMALL}secret = 'hush'", "agent.default.tool.menu.secret is sent nowhere; put {secret}"),
        (
            f"{SMALL}headers = {{ A = '{{{{secret}}}}' }}\nsecret = 'hush'",
            "is sent nowhere; put {s",
        ),
    ],
)
def test_a_secret_and_a_header_without_each_other_are_a_warning(text: str, words: str) -> None:
    _, warning = settings(text).warnings
    assert words in warning
    assert "hush" not in warning


def test_a_secret_that_is_sent_and_none_that_is_not_are_no_warning() -> None:
    fine = f"{SMALL}headers = {{ A = 'Bearer {{secret}}' }}\nsecret = 'hush'"
    assert len(settings(fine).warnings) == len(settings(SMALL).warnings) == 1


def test_what_is_shown_is_read_back_the_same_but_for_secrets() -> None:
    found = settings(WHOLE)
    text = render(found)
    again = parse(text, "rendered")
    assert render(again) == text
    (tool,), (back,) = found.agents["default"].tool, again.agents["default"].tool
    assert back.secret == Secret("********")
    assert (back.url, back.headers, back.body) == (tool.url, tool.headers, tool.body)
    assert back.parameters == tool.parameters
    assert "hush" not in text


def test_keys_that_stand_in_an_address_or_a_header_are_not_shown() -> None:
    found = settings(
        f"""{SMALL}
        url = "https://h/{{company}}?key=hush&day={{date}}&hush"
        headers = {{ X-Api-Key = "hush", Accept = "text/plain", Cookie = "a={{name}}" }}
    """.replace("url = 'https://h/menu'", "")
    )
    text = render(found)
    assert "hush" not in text
    assert '\nurl = "https://h/{company}?key=***&day={date}&***"\n' in text
    assert 'X-Api-Key = "***"\nAccept = "text/plain"\nCookie = "a={name}"\n' in text


def test_odd_names_in_a_body_survive_rendering() -> None:
    body = {"a b": {"é": [{"x y": 1, "z": [[], {}]}], "\x7f": ""}, "c.d": True}
    inner = '{ "é" = [{ "x y" = 1, z = [[], {}] }], "\\u007f" = "" }'
    text = f'body = {{ "a b" = {inner}, "c.d" = true }}'
    found = settings(f"{SMALL}{text}")
    assert found.agents["default"].tool[0].body == body
    assert parse(render(found), "r").agents["default"].tool[0].body == body
