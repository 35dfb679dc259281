"""The blocks of docs/agents.md: put together step by step they are configurations that voiced
takes, and what the page shows of them is what they do."""

import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from voiced.call.builtin import BUILT_IN
from voiced.client.route import report, routed
from voiced.config import parse
from voiced.lab.bookings import tools
from voiced.lab.engines import BOOKINGS_PORT, LabSettings
from voiced.lab.script import parse_script
from voiced.tools.model import Status

PAGE = (Path(__file__).parents[2] / "docs" / "agents.md").read_text()
TOML = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)
SCRIPTS = [block for block in TOML if "[[turn]]" in block]
STEPS = [block for block in TOML if "[[turn]]" not in block]
SECTION = re.compile(r"^(?=\[)", re.M)
KEY = re.compile(r"^(\w+) = ", re.M)
SHOWN = re.compile(r'^\$ voiced route "([^"\n]*)"\n(.*?)(?=^\$|^```)', re.M | re.S)


def together(blocks: list[str]) -> str:
    """The file that a reader has then: lines for a section that is there go into it, and a key
    that is there is replaced. A section of an array belongs to the last one of it."""
    file: dict[str, str] = {}
    arrays: list[str] = []
    for block in blocks:
        for count, section in enumerate(filter(str.strip, SECTION.split(block))):
            head, _, lines = section.partition("\n")
            name = head.strip("[]")
            if head.startswith("[["):
                arrays.append(f"{name}.")
            if head.startswith("[[") or name.startswith(tuple(arrays)):
                file[f"{len(file)}/{count}"] = section
            else:
                file[head] = with_keys(file.get(head, f"{head}\n"), lines)
    return "\n".join(file.values())


def with_keys(section: str, lines: str) -> str:
    """A section with these lines, and without the keys in it that they set anew."""
    for key in KEY.findall(lines):
        section = re.sub(rf'^{key} = (""".*?"""|[^\n]*)\n', "", section, flags=re.M | re.S)
    return f"{section.rstrip()}\n{lines.rstrip()}\n"


@pytest.mark.parametrize("last", range(1, len(STEPS) + 1))
def test_each_step_is_a_configuration_that_voiced_takes(last: int) -> None:
    parse(together(STEPS[:last]), f"step {last}")


def test_the_steps_come_to_all_that_the_page_promises() -> None:
    agent = parse(together(STEPS), "agents.md").agents["default"]
    assert [tool.name for tool in agent.tool] == ["find_table", "book_table"]
    assert [tool.commit for tool in agent.tool] == [False, True]
    assert {"hang_up", "transfer", "switch_agent"} == set(agent.tools)
    assert agent.pre_call is not None
    assert agent.remember
    assert agent.extract["required"] == ["booked"]
    assert "{bookings}" in agent.prompt
    assert "{welcome}" in agent.greeting
    assert agent.history_tokens == 4000
    assert agent.languages == {"fr": "french"}


def test_a_step_changes_what_was_there() -> None:
    before = '[a]\nx = """\none\ntwo"""\ny = 1\n'
    assert tomllib.loads(together([before, "[a]\nx = 2\nz = 3\n"])) == {
        "a": {"x": 2, "y": 1, "z": 3}
    }
    tool = "[[t]]\nn = 1\n[t.p]\nq = 1\n"
    assert tomllib.loads(together([tool, tool.replace("1", "2")])) == {
        "t": [{"n": 1, "p": {"q": 1}}, {"n": 2, "p": {"q": 2}}]
    }


def test_the_tools_are_those_of_the_labs_book() -> None:
    def requests(document: dict[str, Any]) -> list[tuple[object, ...]]:
        return [
            (tool["name"], tool.get("method", "POST"), tool["url"], tool["secret"],
             tool["parameters"]["required"])
            for tool in document["agent"]["default"]["tool"]
        ]  # fmt: skip

    lab = tomllib.loads(tools(f"http://127.0.0.1:{BOOKINGS_PORT}", "public_token"))
    assert requests(tomllib.loads(together(STEPS))) == requests(lab)


def test_the_engines_are_where_the_lab_has_them() -> None:
    page, lab = tomllib.loads(STEPS[0]), LabSettings()
    where = {role: urlsplit(page[role]["lab"][key]).port
             for role, key in (("stt", "url"), ("llm", "base_url"), ("tts", "url"))}  # fmt: skip
    assert where == {"stt": lab.stt_port, "llm": lab.llm_port, "tts": lab.tts_port}


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_the_callers_are_ones_that_the_telephone_takes(number: int) -> None:
    assert parse_script(tomllib.loads(SCRIPTS[number]), Path("caller.toml"))


async def test_voiced_route_says_what_the_page_shows() -> None:
    shown = SHOWN.findall(PAGE)
    assert len(shown) >= 3
    settings = parse(together(STEPS[:4]), "agents.md")
    for text, told in shown:
        lines = list(report(await routed(settings, "", text)))
        assert without_times(told) == without_times("\n".join(lines))


def without_times(told: str) -> str:
    return re.sub(r"in [\d.]+ ms", "", told).strip()


def test_every_way_that_a_tool_can_end_is_told() -> None:
    statuses = set(re.findall(r"^\| `([a-z-]+)` \| ", PAGE, re.M))
    assert {status.value for status in Status} | {"refused", "cancelled"} <= statuses


def test_every_built_in_tool_is_told() -> None:
    assert set(BUILT_IN) <= set(re.findall(r"^\| `(\w+)` \| ", PAGE, re.M))


def test_the_server_that_knows_callers_is_python() -> None:
    (server,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    compile(server, "who.py", "exec")
