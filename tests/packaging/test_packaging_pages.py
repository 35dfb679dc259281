"""The pages: their commands are ones that voiced has, and their links lead somewhere. What to do
when an alert comes is told of each, and quotes the log as it is."""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from manual_pages import commands, options

from voiced.cli import parser
from voiced.config import parse
from voiced.ops.catalog import EVENTS

ROOT = Path(__file__).parents[2]
PAGES = (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md")
FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.M | re.S)
RUNNERS = re.compile(r"sudo|systemd-run|-.*|\w+=.*")
VOICED = re.compile(r"(\S*/bin/)?voiced")
OPERATE = (ROOT / "docs" / "operate.md").read_text()
MESSAGES = {event.template.replace("%s", "...") for event in EVENTS}
ALERTS = (ROOT / "packaging" / "monitoring" / "alerts.yml").read_text()


def shell_lines(page: Path) -> Iterator[str]:
    """The lines of the blocks that are for a shell; where some have a prompt, these only."""
    for _, language, block in FENCED.findall(page.read_text()):
        lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
        asked = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        if not language:
            yield from asked or lines


def spoken(line: str) -> Iterator[list[str]]:
    """What stands after `voiced` in a line's commands."""
    for part in re.split(r"&&|;|\|", line):
        try:
            words = shlex.split(re.sub(r"\d?>\S+", "", part), comments=True)
        except ValueError:  # what a command printed, with an apostrophe
            continue
        at = next((i for i, word in enumerate(words) if VOICED.fullmatch(word)), None)
        if at is not None and all(map(RUNNERS.fullmatch, words[:at])) and words[at + 1 :]:
            yield words[at + 1 :]


def fault(words: list[str]) -> str:
    """What the command line has against a command; "" if it takes it."""
    complaint = io.StringIO()
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser().parse_args(words)
        except SystemExit:  # after --version as well
            return complaint.getvalue()
    return ""


def section(title: str) -> str:
    found = re.search(rf"^### {title}\n(.*?)^##", OPERATE, re.M | re.S)
    assert found, title
    return found[1]


def alert_rows() -> dict[tuple[str, str], str]:
    """Alert and severity -> what the log says."""
    rows = re.findall(r"^\| `(Voiced\w+)` (\w+) \|(.*)\|$", section("When an alert comes"), re.M)
    return {(name, severity): rest.split(" | ")[2] for name, severity, rest in rows}


def anchors(text: str) -> set[str]:
    titles = re.findall(r"^#+ (.*)", text, re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_of_the_page_are_taken(page: Path) -> None:
    for line in shell_lines(page):
        for words in spoken(line):
            assert fault(words) == "", f"{page.name}: voiced {shlex.join(words)}"


def test_there_are_commands_in_the_pages() -> None:
    found = [words for page in PAGES for line in shell_lines(page) for words in spoken(line)]
    assert len(found) > 20
    assert ["check"] in found
    assert list(spoken("VOICED_CONFIG=/tmp/a voiced hear a.wav | head")) == [["hear", "a.wav"]]
    assert list(spoken("systemctl status voiced voiced-handover")) == []
    assert "--whole" in fault(["calls", "--whole"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_options_named_in_the_text_are_there(page: Path) -> None:
    known = commands()
    for said in re.findall(r"`voiced ([a-z]+[^`\n]*)`", FENCED.sub("", page.read_text())):
        name, *_ = said.split()
        if f"voiced {said}" in MESSAGES:
            continue
        assert name in known, f"{page.name}: voiced {said}"
        there = {option for action in options(known[name][1]) for option in action.option_strings}
        assert set(re.findall(r"(?<=[ [(])--?[a-z][a-z-]*", said)) <= there | {"--help"}, said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_links_of_the_page_lead_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text())
    for target, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", text):
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(there.read_text()), f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_message_ids_of_the_page_are_in_the_catalog(page: Path) -> None:
    used = set(re.findall(r"MESSAGE_ID=(\w+)", page.read_text()))
    assert used <= {event.id for event in EVENTS}


def test_each_alert_has_its_row() -> None:
    declared = re.findall(r"- alert: (\w+)\n(?:.*\n)*?\s+labels: {severity: (\w+)}", ALERTS)
    assert list(alert_rows()) != []
    assert sorted(alert_rows()) == sorted(declared)


def test_the_alerts_quote_the_log_as_it_is() -> None:
    quoted = [quote for log in alert_rows().values() for quote in re.findall(r"`([^`]+)`", log)]
    sentences = [quote for quote in quoted if " " in quote]
    assert len(sentences) > 10
    assert [quote for quote in sentences if quote not in MESSAGES] == []


def test_the_first_calls_configuration_is_read() -> None:
    page = (ROOT / "docs" / "install.md").read_text()
    (block,) = re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S)
    settings = parse(block, "install.md")
    assert list(settings.stt) == ["lab"]
    assert settings.agents["default"].tts == ("lab",)
