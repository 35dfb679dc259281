"""`secrets.toml`: where it is found, what it gives, and what is told of it."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from voiced.config import SHIPPED, PreCall, Secret, SecretSources, Settings, load, parse
from voiced.config import secrets_file as own
from voiced.errors import ConfigError

DEB = Path(__file__).parents[2] / "packaging" / "deb" / "secrets.toml"
CONFIGURATION = """
[stt.dg]
type = "deepgram"
[llm.claude]
type = "anthropic"
[tts.kyutai]
type = "moshi"
[agent.default]
stt = ["dg"]
llm = ["claude"]
tts = ["kyutai"]
[webhook.crm]
url = "https://h/"
"""
SECRETS = """# mirrors the configuration
[twilio]
account_sid = "AC12"
auth_token = " from-secrets "
[stt]
dg.api_key = 'dg'
[webhook]
crm = { secret = "crm" }
"""
KNOWN = ("twilio.account_sid", "twilio.auth_token", "stt.dg.api_key", "webhook.crm.secret")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "voiced.toml"
    file.write_text(CONFIGURATION)
    return file


def beside(config: Path, content: str | bytes, mode: int = 0o600) -> Path:
    file = config.with_name("secrets.toml")
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    file.chmod(mode)
    return file


def problems(config: Path, environ: dict[str, str] | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(config, environ or {})
    assert "hush" not in repr(caught.value.problems)
    return caught.value.problems


def told(config: Path) -> list[str]:
    """The warnings about the file."""
    return [text for text in load(config, {}).warnings if "secrets.toml" in text]


def has_all(found: Settings) -> bool:
    return (
        found.twilio.account_sid == "AC12"
        and found.twilio.auth_token == Secret("from-secrets")
        and found.stt["dg"].api_key == Secret("dg")
        and found.webhooks["crm"].secret == Secret("crm")
    )


def test_it_is_read_beside_the_configuration(config: Path) -> None:
    beside(config, SECRETS)
    assert has_all(load(config, {}))
    assert told(config) == []


def test_it_is_read_as_the_credential_of_that_name_before_the_file(
    config: Path, tmp_path: Path
) -> None:
    beside(config, "not looked at", mode=0o644)
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "secrets.toml").write_text(SECRETS)
    found = load(config, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert has_all(found)
    assert not [text for text in found.warnings if "secrets.toml" in text]


def test_a_credential_that_holds_nothing_hides_the_file(config: Path, tmp_path: Path) -> None:
    beside(config, SECRETS)
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "secrets.toml").write_text("# none")
    found = load(config, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert found.twilio.auth_token is None


def test_a_credentials_directory_without_it_leaves_the_file(config: Path, tmp_path: Path) -> None:
    beside(config, SECRETS)
    folder = tmp_path / "credentials"
    folder.mkdir()
    assert has_all(load(config, {"CREDENTIALS_DIRECTORY": str(folder)}))


def test_it_comes_after_the_key_and_the_credential_and_before_the_variable(
    config: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    environ = {"TWILIO_AUTH_TOKEN": "from-variable", "CREDENTIALS_DIRECTORY": str(folder)}

    def token() -> Secret | None:
        return load(config, environ).twilio.auth_token

    assert token() == Secret("from-variable")
    beside(config, SECRETS)
    assert token() == Secret("from-secrets")
    (folder / "twilio.auth_token").write_text("from-credential")
    assert token() == Secret("from-credential")
    config.write_text(f"{CONFIGURATION}\n[twilio]\nauth_token = 'from-key'")
    assert token() == Secret("from-key")


def test_none_is_no_problem(config: Path) -> None:
    assert told(config) == []


def test_a_byte_order_mark_in_it_is_fine(config: Path) -> None:
    beside(config, b"\xef\xbb\xbf" + SECRETS.encode())
    assert has_all(load(config, {}))


def test_empty_tables_hold_nothing_to_complain_of(config: Path) -> None:
    beside(config, "[twilio]\n#auth_token = 'x'\n[stt.gone]\n")
    assert load(config, {}).twilio.auth_token is None


@pytest.mark.parametrize(("mode", "expected"), [(0o644, 1), (0o640, 0)])
def test_everybody_may_read_it_is_a_warning(config: Path, mode: int, expected: int) -> None:
    file = beside(config, "twilio.auth_token = 'hush'", mode)
    warning = f"{file} can be read by everybody and holds twilio.auth_token; chmod o-r {file}"
    assert told(config) == [warning] * expected


def test_everybody_may_read_it_while_it_holds_nothing(config: Path) -> None:
    beside(config, "# nothing yet", 0o644)
    assert told(config) == []


def test_one_that_may_not_be_read_is_a_warning(config: Path) -> None:
    file = config.with_name("secrets.toml")
    file.mkdir()  # root reads every file, but no folder
    assert told(config) == [
        f"{file} cannot be read (Is a directory), so its secrets count as not set here; "
        f"use sudo, or LoadCredential=secrets.toml:{file}"
    ]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("# ok\n[twilio]\nauth_token = hush\n", ":3"),
        ('[twilio]\nauth_token = "hush\n', ":2"),
        ("twilio.auth_token = 'hush'\ntwilio.auth_token = 'hush2'\n#", ":2"),
        ('twilio.auth_token = """hush', ""),
        (f"twilio.auth_token = {'1' * 5000}", ""),
    ],
    ids=["no quotes", "half the quotes", "twice", "no end", "a long number"],
)
def test_what_is_not_toml_is_told_with_its_line(config: Path, content: str, line: str) -> None:
    file = beside(config, content)
    (problem,) = problems(config)
    assert problem == (
        f"{file}{line}: this is not TOML; "
        'write each secret once and in quotes, as in twilio.auth_token = "TEXT"'
    )


def test_what_is_not_utf_8_is_told_with_its_line(config: Path) -> None:
    file = beside(config, "# ok\ntwilio.auth_token = 'hush\xe9'\n".encode("latin-1"))
    assert problems(config) == (f"{file}:2: this is not UTF-8; store it as plain text",)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("stt.deepgram.api_key = 'hush'", "stt.deepgram.api_key: is no secret of this "
         "configuration; did you mean stt.dg.api_key?"),
        ("twilio.auth_tokn = 'hush'", "twilio.auth_tokn: is no secret of this configuration; "
         "did you mean twilio.auth_token?"),
        ("TWILIO_AUTH_TOKEN = 'hush'", "TWILIO_AUTH_TOKEN: is no secret of this configuration; "
         "known: api.token, llm.claude.api_key, stt.dg.api_key, tts.kyutai.api_key, "
         "twilio.account_sid, twilio.auth_token, twilio.auth_token_secondary, webhook.crm.secret"),
        ("server.port = 8765", "server.port: is no secret of this configuration; known: "),
        ("twilio = 'hush'", "twilio: is no secret of this configuration; did you mean twilio."),
        ("[[stt]]\ndg = 'hush'", "stt: is no secret of this configuration; known: "),
        ("twilio.auth_token = 12345", "twilio.auth_token: has a value of the wrong kind; use text"),
        ("twilio.auth_token = ['hush']", "twilio.auth_token: has a value of the wrong kind; use "),
        ("twilio.auth_token = ''", "twilio.auth_token: is empty; give the secret, or delete the "),
        ("twilio = { auth_token = ' ' }", "twilio.auth_token: is empty; give the secret, or dele"),
        ("twilio.auth_token = 'hu sh'", "twilio.auth_token: it has a space or a character outside"),
    ],
)  # fmt: skip
def test_an_entry_that_is_wrong_is_told(config: Path, entry: str, said: str) -> None:
    file = beside(config, f"\n{entry}\n")
    (problem,) = problems(config)
    assert said in problem
    assert f"{file}:2" in problem


def test_one_name_in_two_ways_of_writing_is_told(config: Path) -> None:
    file = beside(config, "twilio.auth_token = 'hush'\n'twilio.auth_token' = 'hush2'")
    assert problems(config) == (f"{file}:2: twilio.auth_token: stands there twice; delete one",)


def test_a_whole_name_in_quotes_is_as_good(config: Path) -> None:
    beside(config, "'twilio.auth_token' = 'from-secrets'")
    assert load(config, {}).twilio.auth_token == Secret("from-secrets")


def test_all_problems_of_both_files_are_told_at_once(config: Path) -> None:
    config.write_text(f"{CONFIGURATION}\n[server]\nport = 'x'")
    file = beside(config, "stt.x = 'hush'\napi.token = ''\ntwilio.auth_token = 1")
    first, *others = problems(config)
    assert first.startswith(f"{config}:16: server.port: has a value of the wrong kind")
    assert [text.split(": ")[:2] for text in others] == [
        [f"{file}:1", "stt.x"],
        [f"{file}:2", "api.token"],
        [f"{file}:3", "twilio.auth_token"],
    ]


@pytest.mark.parametrize("content", [b"[twilio\n", b"# caf\xe9"])
def test_no_name_is_unknown_to_a_configuration_that_cannot_be_read(
    config: Path, content: bytes
) -> None:
    config.write_bytes(content)
    beside(config, "stt.x.api_key = 'hush'\napi.token = ''")
    first, second = problems(config)
    assert first.startswith(f"{config}:1: this is not ")
    assert "api.token: is empty" in second


def test_groups_that_are_no_tables_know_no_names() -> None:
    assert own.names(b"stt = 1\nwebhook = [2]") == own.names(b"")


def test_the_secrets_of_an_agent_have_its_tools_names(config: Path) -> None:
    config.write_text(f"""{CONFIGURATION}
        [agent.default.pre_call]
        url = "https://h/"
        [[agent.default.tool]]
        name = "book"
        description = "Books."
        url = "https://h/"
        headers = {{ Authorization = "{{secret}}" }}
        [[agent.default.tool]]
        name = "menu"
        secret = "mine"
        description = "Tells the menu."
        url = "https://h/"
        headers = {{ Authorization = "{{secret}}" }}
        [embeddings.local]
        type = "openai"
        model = "bge-m3"
    """)
    held = "[agent.default.tool.book]\nsecret = 'a'\n[agent.default.pre_call]\nsecret = 'b'\n"
    beside(config, f"{held}[embeddings.local]\napi_key = 'c'\n")
    found = load(config, {})
    book, menu = found.agents["default"].tool
    assert (book.secret, menu.secret) == (Secret("a"), Secret("mine"))
    assert found.agents["default"].pre_call == PreCall(url="https://h/", secret=Secret("b"))
    assert found.embeddings["local"].api_key == Secret("c")
    config.chmod(0o600)
    assert not [text for text in load(config, {}).warnings if "agent." in text]
    config.chmod(0o644)
    (warning,) = [text for text in load(config, {}).warnings if "chmod" in text]
    assert f"{config} can be read by everybody and holds agent.default.tool.menu.secret;" in warning
    file = beside(config, "agent.default.tool.bok.secret = 'a'")
    assert problems(config) == (
        f"{file}:1: agent.default.tool.bok.secret: is no secret of this configuration; "
        "did you mean agent.default.tool.book.secret?",
    )


def test_tables_of_the_wrong_shape_know_no_names() -> None:
    odd = b"[agent.a]\npre_call = 1\ntool = [2, { name = 3 }]\n[agent.b]\ntool = 4\n[x]"
    assert own.names(odd) == own.names(b"")
    assert own.names(b"agent = 1\n") == own.names(b"[agent]\na = 1") == own.names(b"")


def test_the_credential_is_named_in_a_problem(config: Path, tmp_path: Path) -> None:
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "secrets.toml").write_text("\ntwilio.auth_token = ''")
    (problem,) = problems(config, {"CREDENTIALS_DIRECTORY": str(folder)})
    assert problem.startswith("systemd credential secrets.toml:2: twilio.auth_token: is empty")


class Asked(dict[str, tuple[str, str]]):
    """Remembers what it was looked up for."""

    def __init__(self) -> None:
        self.names: set[object] = set()

    def __contains__(self, name: object) -> bool:
        self.names.add(name)
        return False


def test_the_names_are_those_that_the_configuration_looks_up() -> None:
    """With every key of the shipped file but the secrets themselves."""
    text = re.sub(r"(?m)^#(?=[a-z\[])", "", SHIPPED.read_text())
    text = re.sub(r"(?m)^(account_sid|auth_token\w*|api_key|token|secret) = .*", "", text)
    asked = Asked()
    parse(text, "v.toml", SecretSources(file=asked))
    assert asked.names == set(own.names(text.encode()) or ())
    assert len(asked.names) > 10


def test_the_one_of_the_package_fits_the_configuration_of_the_package(tmp_path: Path) -> None:
    config = tmp_path / "voiced.toml"
    config.write_text(re.sub(r"(?m)^#(?=[a-z\[])", "", SHIPPED.read_text()))
    beside(config, DEB.read_text())
    load(config, {})
    text = re.sub(r"(?m)^#(?=[a-z])", "", DEB.read_text())
    assert "twilio" in tomllib.loads(text)
    beside(config, text)
    load(config, {})


def broken() -> Iterator[str]:
    """A good file, and each of its beginnings."""
    whole = 'twilio.auth_token = "hush"\n[stt.dg]\napi_key = "hush"\n'
    return (whole[:end] for end in range(len(whole) + 1))


def test_no_problem_quotes_a_value_that_is_cut_off_anywhere() -> None:
    for text in broken():
        found = own.parse(text.encode(), "s", ())
        assert "hush" not in repr(found)


@hypothesis(deadline=None)  # the machine may be busy
@given(st.binary(max_size=200))
def test_any_bytes_give_secrets_or_problems(content: bytes) -> None:
    found = own.parse(content, "s", None)
    assert all(problem.startswith("s") for problem in found.problems)


@hypothesis(deadline=None)  # the machine may be busy
@given(st.dictionaries(st.sampled_from(KNOWN), st.text("abc!~", min_size=1), min_size=1))
def test_what_is_in_the_file_is_found_where_it_stands(secrets: dict[str, str]) -> None:
    text = "".join(f'{name} = "{value}"\n' for name, value in secrets.items())
    found = own.parse(text.encode(), "s", KNOWN)
    places = {
        name: (value, f"s:{line}") for line, (name, value) in enumerate(secrets.items(), start=1)
    }
    assert found.secrets == places
    assert found.problems == ()
