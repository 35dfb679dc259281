"""What the package tells of the commands and the settings is what they tell themselves."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from manual_pages import PACKAGING, commands, options, pages

from voiced.config import reference

MAN = PACKAGING / "man"
COMPLETION = PACKAGING / "completion" / "voiced.bash"


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.name)
def test_a_made_file_is_fresh(path: Path) -> None:
    assert path.read_text() == pages()[path], "stale: python tests/packaging/manual_pages.py"


def unrolled(page: str) -> str:
    return re.sub(r"\\f[BIR]", "", (MAN / page).read_text()).replace("\\-", "-")


def test_the_page_has_every_command_and_option() -> None:
    page = unrolled("voiced.1")
    sections = dict(re.findall(r"^\.SS (\w+).*\n((?:(?!\.S[SH]).*\n)*)", page, re.M))
    assert sections.keys() == commands().keys()
    for name, (_, command) in commands().items():
        for action in options(command):
            if action.dest != "config":
                assert f"\n{', '.join(action.option_strings)}" in sections[name]


def test_the_page_has_every_key_once() -> None:
    page = unrolled("voiced.toml.5").split(".SH KEYS")[1].split(".SH FILES")[0]
    assert re.findall(r"^\.TP\n(\w+) \(", page, re.M) == re.findall(
        r"^\| `(\w+)` \|", reference(), re.M
    )
    assert re.findall(r"^\.SS (.*)", page, re.M) == re.findall(r"`(\[.*)`$", reference(), re.M)


@pytest.mark.skipif(not shutil.which("groff"), reason="there is no groff")
@pytest.mark.parametrize("page", ["voiced.1", "voiced.8", "voiced.toml.5"])
def test_a_page_is_set_without_complaint(page: str) -> None:
    groff = ["groff", "-man", "-Tutf8", "-K", "utf8", "-ww", str(MAN / page)]
    ran = subprocess.run(groff, capture_output=True, text=True)
    assert ran.returncode == 0
    assert ran.stderr == ""


def completed(*words: str, folder: Path = PACKAGING) -> set[str]:
    """What bash offers for the last of the words."""
    script = (
        f"source {COMPLETION}; compopt() {{ :; }}; COMP_WORDS=(voiced {' '.join(words)}); "
        f"COMP_CWORD={len(words)}; _voiced; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    )
    bash = ["bash", "--norc", "-euc", script]
    ran = subprocess.run(bash, capture_output=True, text=True, cwd=folder, check=True)
    assert ran.stderr == ""
    return set(ran.stdout.split())


def test_bash_offers_the_commands() -> None:
    assert completed("''") == {*commands(), "--help", "--version"}
    assert completed("sh") == {"show"}


def test_bash_offers_a_commands_options() -> None:
    assert completed("dial", "--w") == {"--wait"}
    assert completed("show", "CA1", "''") == {"--json", "--url", "--token", "--config", "--help"}
    assert completed("nothing", "--") == set()


def test_bash_offers_what_an_option_may_be(tmp_path: Path) -> None:
    (tmp_path / "hello.wav").touch()
    assert completed("demo", "--tts", "''") == {"moshi", "cartesia"}
    assert completed("phone", "--wav", "h", folder=tmp_path) == {"hello.wav"}
    assert completed("hear", "''", folder=tmp_path) == {"hello.wav"}
