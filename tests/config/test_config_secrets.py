"""Where a secret is found, and that it shows nowhere."""

import pytest

from voiced.config import Secret, SecretSources, Settings, parse, render
from voiced.errors import ConfigError

TEXT = """
[stt.dg]
type = "deepgram"
[stt.kyutai]
type = "moshi"
[llm.local]
type = "openai"
base_url = "{base_url}"
[llm.claude]
type = "anthropic"
[tts.kyutai]
type = "cartesia"
voice = "v"
[agent.default]
{extra}
"""
ENVIRON = {
    "TWILIO_ACCOUNT_SID": "AC12",
    "TWILIO_AUTH_TOKEN": "env-twilio",
    "DEEPGRAM_API_KEY": "env-deepgram",
    "OPENAI_API_KEY": "env-openai",
    "GROQ_API_KEY": "env-groq",
    "ANTHROPIC_API_KEY": "env-anthropic",
    "CARTESIA_API_KEY": "env-cartesia",
    "KYUTAI_API_KEY": "env-kyutai",
    "VOICED_API_TOKEN": "env-token",
}


def settings(
    extra: str = "",
    environ: dict[str, str] | None = None,
    credentials: dict[str, bytes] | None = None,
    base_url: str = "http://h/v1",
) -> Settings:
    sources = SecretSources(credentials or {}, environ or {})
    return parse(TEXT.format(extra=extra, base_url=base_url), "v.toml", sources)


def test_a_secret_does_not_show_itself() -> None:
    secret = Secret("hush")
    assert "hush" not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == "hush"
    assert secret == Secret("hush") != Secret("other")
    assert len({secret, Secret("hush")}) == 1


def test_each_customary_variable_is_looked_up() -> None:
    found = settings(environ=ENVIRON)
    assert found.twilio.account_sid == "AC12"
    assert found.twilio.auth_token == Secret("env-twilio")
    assert found.api.token == Secret("env-token")
    assert found.stt["dg"].api_key == Secret("env-deepgram")
    assert found.stt["kyutai"].api_key == Secret("env-kyutai")
    assert found.llm["local"].api_key == Secret("env-openai")
    assert found.llm["claude"].api_key == Secret("env-anthropic")
    assert found.tts["kyutai"].api_key == Secret("env-cartesia")


@pytest.mark.parametrize(
    ("base_url", "expected"),
    [
        ("https://api.groq.com/openai/v1", "env-groq"),
        ("https://groq.com/v1", "env-groq"),
        ("https://notgroq.com/v1", "env-openai"),
        ("https://h/groq.com", "env-openai"),
    ],
)
def test_groq_has_a_variable_of_its_own(base_url: str, expected: str) -> None:
    found = settings(environ=ENVIRON, base_url=base_url)
    assert found.llm["local"].api_key == Secret(expected)


def test_the_file_comes_before_the_credential_and_that_before_the_environment() -> None:
    credentials = {"twilio.auth_token": b"from-credential\n", "stt.dg.api_key": b"dg\n"}
    in_file = "[twilio]\nauth_token = 'from-file'"
    assert settings(in_file, ENVIRON, credentials).twilio.auth_token == Secret("from-file")
    found = settings("", ENVIRON, credentials)
    assert found.twilio.auth_token == Secret("from-credential")
    assert found.stt["dg"].api_key == Secret("dg")


def test_the_other_token_of_a_rotation_has_places_of_its_own() -> None:
    environ = {"TWILIO_AUTH_TOKEN_SECONDARY": "env-other"}
    assert settings(environ=environ).twilio.auth_token_secondary == Secret("env-other")
    found = settings("", environ, {"twilio.auth_token_secondary": b"other\n"}).twilio
    assert (found.auth_token, found.auth_token_secondary) == (None, Secret("other"))


def test_the_secret_of_a_webhook_is_in_the_file_or_a_credential_and_in_no_variable() -> None:
    webhook = "[webhook.crm]\nurl = 'https://h/'"
    environ = ENVIRON | {"": "nameless", "WEBHOOK_CRM_SECRET": "env"}
    assert settings(webhook, environ).webhooks["crm"].secret is None
    found = settings(webhook, environ, {"webhook.crm.secret": b"hush\n"})
    assert found.webhooks["crm"].secret == Secret("hush")
    assert "hush" not in render(found) + repr(found)
    assert '\nsecret = "********"\n' in render(found)
    in_file = settings(f"{webhook}\nsecret = 'mine'", {}, {"webhook.crm.secret": b"hush"})
    assert in_file.webhooks["crm"].secret == Secret("mine")


def test_an_empty_value_counts_as_none() -> None:
    found = settings("[twilio]\nauth_token = ''", ENVIRON, {"twilio.auth_token": b"\n"})
    assert found.twilio.auth_token == Secret("env-twilio")
    assert settings(environ={"TWILIO_AUTH_TOKEN": " "}).twilio.auth_token is None


def test_moshi_s_published_token_is_the_last_resort() -> None:
    assert settings().stt["kyutai"].api_key == Secret("public_token")


def test_a_problem_tells_where_the_value_came_from_and_not_what_it_is() -> None:
    with pytest.raises(ConfigError) as caught:
        settings(
            "", {"TWILIO_ACCOUNT_SID": "hush"}, {"stt.dg.api_key": b"hu sh", "api.token": b"\xff"}
        )
    sid, key, token = sorted(caught.value.problems, key=lambda text: "a" if "SID" in text else text)
    assert "twilio.account_sid: it is not an account SID ($TWILIO_ACCOUNT_SID)" in sid
    assert "stt.dg.api_key" in key + token
    assert "(systemd credential stt.dg.api_key)" in key + token
    assert "api.token: its systemd credential is not UTF-8" in key + token
    assert "hush" not in sid + key + token


def test_nothing_shows_a_secret() -> None:
    found = settings(environ=ENVIRON)
    assert "env-" not in render(found) + repr(found)
    assert "env-" not in repr(SecretSources({}, ENVIRON))
    assert "hush" not in repr(SecretSources(file={"twilio.auth_token": ("hush", "s.toml:1")}))


def test_what_secrets_toml_holds_comes_between_the_credential_and_the_variable() -> None:
    name, variable = "twilio.auth_token", "TWILIO_AUTH_TOKEN"
    file = {name: ("from-file", "s.toml:1")}
    assert SecretSources({}, ENVIRON, file).find(name, variable) == ("from-file", "s.toml:1")
    credentials = {name: b"from-credential"}
    assert SecretSources(credentials, ENVIRON, file).find(name, variable) == (
        "from-credential",
        "systemd credential twilio.auth_token",
    )
    assert SecretSources({name: b" "}, ENVIRON, file).find(name, "") == file[name]
    assert SecretSources({}, ENVIRON, file).find("api.token", "") is None
