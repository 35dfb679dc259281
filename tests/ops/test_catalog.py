"""The catalog of events: complete, unique, the same for good, and what systemd reads."""

import ast
import logging
import re
import runpy
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen
from catalog_docs import FILE, PAGE, ROOT, with_tables

from voiced.ops import journal
from voiced.ops.catalog import EVENTS, catalog, event_of
from voiced.ops.catalog_kinds import Priority

PACKAGE = ROOT / "voiced"
UNSEEN = ("lab", "client")
"""No part of the daemon: their output is not the journal's."""

LEVELS = {
    "info": {Priority.INFO, Priority.NOTICE},
    "warning": {Priority.WARNING, Priority.NOTICE},
    "error": {Priority.ERR},
    "exception": {Priority.ERR},
    "critical": {Priority.CRIT},
}
"""What a log call may be in the journal: what is normal, and of note, has no level of its own."""

with_journalctl = pytest.mark.skipif(
    shutil.which("journalctl") is None, reason="journalctl is not installed"
)


@frozen
class LogCall:
    """A place that logs; `module` is the name of its logger."""

    module: str
    line: int
    level: str
    template: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} {self.template[:40]!r}"


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0] not in UNSEEN:
            name = ".".join(("voiced", *(part for part in parts if part != "__init__")))
            yield name, ast.parse(path.read_text())


def loggers(tree: ast.Module) -> set[str]:
    return {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and "getLogger" in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def constants(tree: ast.Module) -> dict[str, str]:
    """The module's constants that are text."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and isinstance(node.value.value, str):
                found[target.id] = node.value.value
    return found


def handed_on(function: str, place: int, layer: str) -> Iterator[str]:
    """What is given to a function that logs what it is given, anywhere in its layer."""
    for name, tree in sources():
        for node in ast.walk(tree):
            if (
                name.startswith(layer)
                and isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute | ast.Name)
                and getattr(node.func, "attr", getattr(node.func, "id", "")) == function
                and len(node.args) > place
                and isinstance(node.args[place], ast.Constant)
            ):
                yield str(ast.literal_eval(node.args[place]))


def templates(call: ast.Call, tree: ast.Module, module: str) -> list[str]:
    """What a log call may log, without the values."""
    given = call.args[0]
    if isinstance(given, ast.Constant):
        return [str(given.value)]
    assert isinstance(given, ast.Name), f"{module}:{call.lineno}: give a text, or a constant's name"
    if given.id in constants(tree):
        return [constants(tree)[given.id]]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and call in ast.walk(node):
            names = [each.arg for each in node.args.args if each.arg != "self"]
            if given.id in names:
                layer = ".".join(module.split(".")[:2])
                return list(handed_on(node.name, names.index(given.id), layer))
    raise AssertionError(f"{module}:{call.lineno}: where does {given.id} come from?")


def log_calls() -> Iterator[LogCall]:
    for module, tree in sources():
        ours = loggers(tree)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in LEVELS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in ours
            ):
                for template in templates(node, tree, module):
                    yield LogCall(module, node.lineno, node.func.attr, template)


CALLS = [*log_calls()]


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_each_log_call_is_of_an_event(call: LogCall) -> None:
    event = event_of(call.module, call.template)
    assert event is not None, "give it an event in voiced/ops/catalog_*.py, with an id of its own"
    assert event.priority in LEVELS[call.level]


def test_the_log_calls_are_found() -> None:
    assert len(CALLS) > 55
    assert {"%s", "call ended", "refused a connection: too many at once"} <= {
        call.template for call in CALLS
    }


def test_each_event_is_logged() -> None:
    logged = {event_of(call.module, call.template) for call in CALLS}
    logged |= {event_of(journal.__name__, journal.DIVERTED), event_of("", journal.LOST)}
    assert {event.name for event in EVENTS if event not in logged} == set()


def test_a_message_of_another_s_is_no_event() -> None:
    assert event_of("httpx", "%s") is None
    assert event_of("voiced.call.call", ValueError("call ended")) is None


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_the_levels_are_those_of_logging(level: str) -> None:
    assert callable(getattr(logging.Logger, level))


def test_names_ids_and_templates_are_unique() -> None:
    for keys in (
        [event.name for event in EVENTS],
        [event.id for event in EVENTS],
        [(each, event.template) for event in EVENTS for each in event.modules or ("",)],
    ):
        assert len(set(keys)) == len(keys)
    for event in EVENTS:
        assert re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", event.id), event.name
        assert (event.template == "%s") == bool(event.modules), event.name


def test_the_catalog_s_file_is_not_stale() -> None:
    assert FILE.read_text() == catalog(), "run python tests/ops/catalog_docs.py"


def test_the_module_prints_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(PACKAGE / "ops" / "catalog.py"), run_name="__main__")
    assert capsys.readouterr().out == catalog()


def test_the_page_of_ids_is_not_stale() -> None:
    page = PAGE.read_text()
    assert page == with_tables(page), "run python tests/ops/catalog_docs.py"


@with_journalctl
def test_systemd_reads_the_catalog(tmp_path: Path) -> None:
    folder = tmp_path / "usr/lib/systemd/catalog"
    folder.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    (folder / "voiced.catalog").write_text(catalog())
    command = ["journalctl", f"--root={tmp_path}"]
    made = subprocess.run(
        [*command, "--update-catalog"], capture_output=True, text=True, check=True
    )
    assert made.stderr == ""
    listed = subprocess.run(
        [*command, "--list-catalog"], capture_output=True, text=True, check=True
    ).stdout
    assert {*listed.splitlines()} == {f"{event.id} voiced: {event.subject}" for event in EVENTS}


def test_the_ids_are_what_they_have_always_been() -> None:
    """People's filters hold on to them. Add lines; never change one."""
    assert {event.name: event.id for event in EVENTS} == dict(
        line.split() for line in PINNED.splitlines() if line
    )


PINNED = """
call-admitted e0aff9bc8cdb411292d86935720127c4
call-closed 40f2101b5ea746129afe882846bddaea
stream-broken 87aa05e9cf594b0998b6c94cbeda5787
call-started 6769582deaa549d9ab83e1a1795226fc
turn-ended 4caf83a3503644bca772afe35a2e0c64
call-ended 1eaf5cc230794057aceb56e9ca006856
call-refused 46a91981a036429881ed623704d3a313
call-bug 78348d4c99a048c386ea70911342cd82
call-left-something e4c28c68436449a09426e63c21eae964
unknown-tool 65a0026968c54942afe312b8e5ed1126
no-digest 7b89bf2750a842f5ad8424839e6dec9c
pre-call-nothing df81f71036ec46de9b4fb2307fe45fa2
pre-call-strangers 8d9e9099769345c9902e408e5e1c07f1
caller-forgotten 9215577e5d224cbdb0eeb0a546e88996
call-forgotten d7f20a968dc645888c7f1c03e75856a7
nearly-routed 3fada3997b8d4621889f5530d139f363
intents-otherwise a436077ba6334011aecbbb8ca4b07ae5
tool-used 6cbec0b5bca24125a66053ea109db2d0
tool-failed e0651e8099a244d691abc1ef4401610e
tool-loop 51a30e7d25c24c2485d6f53ae136c3e4
no-summary fb5779ae015d4e01b25a5d3cff2a4240
call-learnt-from 415b7bd82fd94099bd323cdea7a403d7
not-learnt b0cd6cf277764ff0be1563d9dbdfff3a
too-many-to-learn-from 3fe3853dda8f4ceb8a4dcc318c8c307b
recording-stopped 4eaaa9a99ab448f1a052812b2c295ba1
stt-failed af83abe69f334a98a3476ff34de98905
reply-failed 02b2f15791da4dd48a346fe529750b87
said-in-part 4bf1688402bb4d0cad08ca0a9686c4b6
spare-took-over c56b4edf260442f9b2f342f297b0cbf5
engine-away 290b09167d3445b9863f55f66cc47314
engine-back ef74b58aa773498aa449b78ffcf3ee31
not-warm d35efb148ffd485eb3bc9c930c223101
phrases-missing a02470b1cec447e5be88467ac117d70a
phrase-not-kept 9914184c54484fe5a9afafa005ff9e54
phrases-ready b485549d3d714ceeb57c949b1c74d1d1
deepgram-connected 9073e8d277764fc4882ce10e49bc60a4
deepgram-warns 4df8e851d06d4b60ad40efa31f8cb2a1
voice-connected 97f60cfc7ae042a189b71b0c81c7cc7b
voice-not-connected 4a82df87b7eb4bc1a594daf7444cf809
voice-connection-dead 2c64ce38c5cb4ae097c56f15cb1e3327
slow-step 998f4a4cf0294f79b6a496d7d138659e
webhook-unsigned 6a541cd4d8ae45d4a5c3f7f16c49960d
socket-unsigned 6c137f858c854e09b8eb7fbe6b6fa889
socket-without-token ea31aa60b35e45ebba5e36e58972d929
too-many-connections 4ca9b72977c8459f803d90835636f91b
socket-without-call 77ba7e47fd9346379c43fb667cd1f6b8
socket-malformed b4ab14181521494a95797af9b1e81225
carrier-retried f79c5e9f79db4742b4c1ccb12b2ac6af
carrier-refused e63398887e954fa9a0ee963555374eeb
carrier-behind 3883f2870cab4f4b879415df3244cc2b
left-call-unknown 9c8944595e7f4ad4afd8902d913a4b52
left-call-transferred 561ab8564ee04942b8376ccb1fbba089
left-call-fetched e9df4496f23141b5b5f21d4baaaf19b5
left-call-closed 88b777ea2275446781f66c0101a3d7ba
records-not-opened a176bbe926754d3daca97970eb1081a4
records-corrupt 9336ac3ed1274fb398fd651a5f41959e
records-not-moved bafabaf52e344efda4363658d9a4d962
records-waiting 47c9355b3351494eaac161d0d3c0eac4
records-overflowed 81b21c0776d54b55bedf92274c172e20
records-lost ef9b18becea547d4a0124bd046259c35
record-lost 2759c4a23a064ac6a812b11ae9dcca21
records-written-again 7391d745275641a1a15fa6f9cc56203a
left-calls-unknown 338fde2e91c24b1aa92a8e8dc78aacad
records-kept 548a051e679846579541142784f89eff
files-kept 7ac33028b0dd409ab1c212f6f11cc900
files-deleted 96b50cbb3b794eb5b663409c3dceb612
webhook-failing f9cd83cfb2cc4727b8db1ea447ae3a07
webhook-well 15a23f7726094b90bbcb30de87e683df
webhooks-given-up 3a2fbdd5819648a9a63ecf4bea436040
outbox-unreadable d9086fb0a6254df5ba5ba9c7a11c5560
listening 104d6ff4cd2144c4abd21cb169350dac
ready 9fe56c36819043ee8fae728e96d4cef4
draining d0c7900682b349d086fbfc02113dc266
ending-at-once 6f8b40cb0835405d918eac76a52aa742
stopped-early 94c01c9b83e94d13848071c67976323b
port-handed-over d39d4b2db59e43fd9f36d9b5959a5bbe
configuration-doubtful 4a6ebe0aedee4a0aa7da6ad4efd46e51
port-elsewhere 7e58b983f292403fb1ae6e9e33eb1faf
configuration-refused 7429162feda14ab49e8cded506b779bd
configuration-taken-doubtful 7d0e679e64294aac81e620b2e6f18998
configuration-restart bab93e61710440f3b8cdf9e5dffe68d8
configuration-same 429a3998fbbd479e8e5dce64b0f9e325
configuration-taken 50766065ed774eda93dde7eccbe6f983
daemon-bug 9ffe5344574444c4aee8890df95d6bb4
journal-diverted 1e4bdb600b6a4bfa8780f35baf9bad41
journal-lost 18ab687869ce4fa185bcf5daca59e57e
notify-address 74b320baf6d34c388211477c4769c9f2
notify-failed d38fa4bb3257422ba292fe69813f4637
watchdog-interval 9821488b014e46748b96372beed91bd4
watchdog-starved 6f5cc090d3db4299a840b13ed8942028
watchdog-fed b23ae8749d0e4f69b41262541ec2bfc7
too-many-daemons 11c1c210bac8414db0dc6fcbf700ca5c
"""
