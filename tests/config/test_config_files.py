"""Finding and reading the file, showing the settings, and the texts that must not go stale."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve, fields
from config_docs import PAGE, with_reference
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from voiced.config import (
    INSTALLED,
    SHIPPED,
    Agent,
    HttpTool,
    Intent,
    OpenAiEmbeddings,
    OpenAiLlm,
    PreCall,
    Route,
    Secret,
    Settings,
    Tls,
    Webhook,
    load,
    locate,
    parse,
    render,
)
from voiced.config.embeddings import EMBEDDINGS
from voiced.config.engines import ENGINES
from voiced.config.settings import SECTIONS
from voiced.errors import ConfigError

SHIPPED_TEXT = SHIPPED.read_text()


def uncommented(text: str) -> str:
    """The shipped file with every setting on: prose has a space behind its #."""
    return re.sub(r"(?m)^#(?=[a-z\[])", "", text)


def with_secret(agent: Agent, secret: Secret) -> Agent:
    """The agent with this in the place of each secret that it has."""
    tools = (evolve(tool, secret=tool.secret and secret) for tool in agent.tool)
    before = agent.pre_call
    return evolve(agent, tool=tuple(tools), pre_call=before and evolve(before, secret=secret))


def failure(path: Path, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    (only,) = caught.value.problems
    return only


def test_the_option_comes_before_the_variable_and_that_before_the_installed_file() -> None:
    environ = {"VOICED_CONFIG": "/v.toml"}
    assert locate(Path("/o.toml"), environ) == Path("/o.toml")
    assert locate(None, environ) == Path("/v.toml")
    assert locate(None, {"VOICED_CONFIG": ""}) == INSTALLED


def test_the_shipped_file_starts_as_it_is() -> None:
    found = load(SHIPPED, {})
    assert found.agents["default"].language == "fr"
    assert found.server == type(found.server)()


def test_the_shipped_file_holds_every_key_and_no_other_default() -> None:
    found = parse(uncommented(SHIPPED_TEXT), "v.toml")
    for name, kind in SECTIONS.items():
        for attribute in fields(kind):
            assert re.search(
                rf"\[{name}[\].](?s:.)*?\n#?(\[server\.)?{attribute.name}\b", SHIPPED_TEXT
            )
    engines = [*found.stt.values(), *found.llm.values(), *found.tts.values()]
    assert {type(e) for e in engines} == {k for types in ENGINES.values() for k in types.values()}
    assert {type(e) for e in found.embeddings.values()} == {*EMBEDDINGS.values()}
    others = (Agent, HttpTool, Intent, PreCall, Route, Tls, Webhook, OpenAiEmbeddings)
    for kind in (*others, *map(type, engines)):
        for attribute in fields(kind):
            name = attribute.name
            key = rf"(?m)^#?({name} = |\[\[?agent\.default\.(tool\.)?{name}\])"
            assert re.search(key, SHIPPED_TEXT), name
    own = {"account_sid", "auth_token", "auth_token_secondary", "phone_number", "public_url",
        "tls", "api_key", "token", "secret"}  # fmt: skip
    for name, kind in SECTIONS.items():
        for attribute in fields(kind):
            if attribute.name not in own:
                assert getattr(getattr(found, name), attribute.name) == getattr(
                    kind(), attribute.name
                )
    assert evolve(found.llm["local"], api_key=None) == OpenAiLlm()
    crm = found.webhooks["crm"]
    assert evolve(crm, secret=None) == Webhook(url=crm.url)
    agent = found.agents["default"]
    examples = {"prompt", "transfers", "variables", "verbatim", "switches", "languages", "extract",
        "pre_call", "tool", "intent"}  # fmt: skip
    for attribute in fields(Agent):
        if attribute.name not in examples:
            default = getattr(Agent(), attribute.name)
            assert getattr(agent, attribute.name) == default, attribute.name


def test_the_page_of_keys_is_not_stale() -> None:
    page = PAGE.read_text()
    assert page == with_reference(page), "run python tests/config/config_docs.py"


def test_the_examples_of_the_page_are_valid() -> None:
    examples = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = parse("\n".join(examples), "configure.md")
    noon, night = (datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (11, 22))
    assert found.agent_for("+33123456789", "", night) == "support"
    assert found.agent_for("+33187654321", "", noon) == "reception"
    assert found.agent_for("+33187654321", "", night) == "closed"
    assert found.agents["reminder"].variables["customer"] == "dear customer"
    assert found.warnings[-1].startswith("webhook.crm has no secret")


def test_what_is_rendered_is_read_back_the_same() -> None:
    text = uncommented(SHIPPED_TEXT)
    found = parse(text, "v.toml")
    again = parse(render(found), "rendered")
    assert render(again) == render(found)
    masked = Secret("********")
    assert again.twilio == evolve(found.twilio, auth_token=masked, auth_token_secondary=masked)
    assert again.webhooks == {"crm": evolve(found.webhooks["crm"], secret=masked)}
    agents = {name: with_secret(agent, masked) for name, agent in found.agents.items()}
    assert again.agents == agents
    assert again.embeddings == {
        "local": evolve(found.embeddings["local"], api_key=masked),
    }
    assert again.agents["default"].transfers == {"reception": "+33123456789"}
    assert again.agents["default"].variables == {"customer": "dear customer"}
    assert '\n[agent.default.variables]\ncustomer = "dear customer"\n' in render(found)
    assert '\n[agent.default.transfers]\nreception = "+33123456789"\n' in render(found)
    assert (again.server, again.routes) == (found.server, found.routes)


@hypothesis(deadline=None)  # the machine may be busy
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_text_survives_rendering(name: str) -> None:
    found = parse(SHIPPED_TEXT, "v.toml")
    odd = evolve(found, agents={"default": evolve(found.agents["default"], name=name)})
    assert parse(render(odd), "rendered").agents == odd.agents


@hypothesis(deadline=None)  # the machine may be busy
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=500))
def test_any_text_of_a_variable_survives_rendering(text: str) -> None:
    found = parse(SHIPPED_TEXT, "v.toml")
    odd = {"default": evolve(found.agents["default"], variables={"b": text, "a": ""})}
    again = parse(render(evolve(found, agents=odd)), "rendered")
    assert list(again.agents["default"].variables.items()) == [("b", text), ("a", "")]


@hypothesis(deadline=None)  # the machine may be busy
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64).filter(str.strip))
def test_any_name_of_a_transfer_survives_rendering(name: str) -> None:
    found = parse(SHIPPED_TEXT, "v.toml")
    agent = evolve(found.agents["default"], transfers={name: "+33123456789", "b": "+33123456780"})
    again = parse(render(evolve(found, agents={"default": agent})), "rendered")
    assert list(again.agents["default"].transfers.items()) == list(agent.transfers.items())


def test_no_transfers_and_no_variables_are_shown_as_empty_tables() -> None:
    assert "\ntransfers = {}\n" in render(load(SHIPPED, {}))
    assert "\nvariables = {}\n" in render(load(SHIPPED, {}))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h:8443/hook?key=hush&a=1?2", "https://h:8443/hook?***"),
        ("https://h?hush", "https://h?***"),
        ("https://h/hook", "https://h/hook"),
    ],
)
def test_a_webhook_is_shown_without_its_query(url: str, shown: str) -> None:
    found = parse(f"{SHIPPED_TEXT}\n[webhook.crm]\nurl = '{url}'\n", "v.toml")
    text = render(found)
    assert f'\n[webhook.crm]\nurl = "{shown}"\n' in text
    assert "hush" not in text
    assert found.webhooks["crm"].url == url
    assert parse(text, "rendered").webhooks["crm"].url == shown


def test_what_is_not_set_is_shown_as_a_comment() -> None:
    assert "\n# auth_token is not set\n" in render(load(SHIPPED, {}))


def test_a_file_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    assert "there is no such file; copy" in failure(tmp_path / "no.toml")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert f"{tmp_path}: cannot be read (Is a directory)" in failure(tmp_path)


def test_a_file_in_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "v.toml"
    file.write_bytes("# ok\n# caf\xe9\n".encode("latin-1"))
    assert failure(file) == f"{file}:2: this is not UTF-8; save the file in that encoding"


def test_a_byte_order_mark_is_fine(tmp_path: Path) -> None:
    file = tmp_path / "v.toml"
    file.write_bytes(b"\xef\xbb\xbf" + SHIPPED.read_bytes())
    assert load(file, {}).agents.keys() == {"default"}


def test_secrets_come_from_the_credentials_directory(tmp_path: Path) -> None:
    (tmp_path / "twilio.auth_token").write_text("from-credential\n")
    (tmp_path / "folder").mkdir()
    found = load(SHIPPED, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found.twilio.auth_token == Secret("from-credential")


def test_a_credentials_directory_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert "credentials cannot be read" in failure(
        SHIPPED, {"CREDENTIALS_DIRECTORY": str(tmp_path / "no")}
    )


@pytest.mark.parametrize(("mode", "expected"), [(0o644, 1), (0o640, 0)])
def test_a_secret_in_a_file_that_everybody_may_read_is_a_warning(
    tmp_path: Path, mode: int, expected: int
) -> None:
    file = tmp_path / "v.toml"
    file.write_text(f"{SHIPPED_TEXT}\n".replace("#auth_token", "auth_token"))
    file.chmod(mode)
    found: Settings = load(file, {})
    told = [text for text in found.warnings if "chmod o-r" in text and "twilio.auth_token" in text]
    assert len(told) == expected


def test_a_public_file_without_secrets_is_no_warning(tmp_path: Path) -> None:
    file = tmp_path / "v.toml"
    file.write_text(SHIPPED_TEXT)
    file.chmod(0o644)
    assert not [text for text in load(file, {}).warnings if "chmod" in text]
