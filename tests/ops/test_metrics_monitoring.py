"""The dashboard, the alerts and the page: they name metrics that there are, and all of those."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import chain, combinations
from pathlib import Path

import pytest
from metrics_docs import PAGE, with_tables

from voiced.ops.metrics_declared import SECTIONS
from voiced.ops.metrics_kinds import Declared, Kind

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "packaging" / "monitoring"
ALERTS = (FOLDER / "alerts.yml").read_text()
ALERT_NAMES = re.findall(r"- alert: (\w+)", ALERTS)
ALERT_LINES = [line for line in ALERTS.splitlines() if "runbook:" not in line]
DASHBOARD = json.loads((FOLDER / "grafana.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
DECLARED = {what.name: what for what in chain(*SECTIONS.values())}

with_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed"
)


def samples(what: Declared) -> Iterator[str]:
    """The names that a query may use."""
    if what.kind is Kind.HISTOGRAM:
        yield from (f"{what.name}{suffix}" for suffix in ("_bucket", "_sum", "_count"))
    else:
        yield what.name


SAMPLES = {name: what for what in DECLARED.values() for name in samples(what)}


def queries() -> list[str]:
    return [target["expr"] for panel in PANELS for target in panel["targets"]]


def used(text: str) -> set[str]:
    return set(re.findall(r"\bvoiced_\w+", text))


def promtool(*arguments: str | Path) -> str:
    """What it complains of; "" if it is content."""
    found = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    return "" if found.returncode == 0 else found.stdout + found.stderr


def test_the_page_of_metrics_is_not_stale() -> None:
    page = PAGE.read_text()
    assert page == with_tables(page), "run python tests/ops/metrics_docs.py"


# --- alerts -------------------------------------------------------------------------------------


def test_alerts_ask_for_metrics_that_there_are() -> None:
    asked = used("\n".join(ALERT_LINES))
    assert len(asked) > 10
    assert asked <= set(SAMPLES)


def test_alerts_ask_for_buckets_and_words_that_there_are() -> None:
    for name, label, value in re.findall(r'(voiced_\w+){(\w+)=~?"([^"]+)"}', ALERTS):
        if label == "le":
            assert float(value) in SAMPLES[name].buckets
            assert value == str(float(value))  # as it is written in the samples
        else:
            (declared,) = [each for each in SAMPLES[name].labels if each.name == label]
            assert set(value.split("|")) <= set(declared.values or ())


def test_each_alert_says_what_to_do_and_where_it_is_told() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operate.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w\s-]", "", each.lower()).replace(" ", "-") for each in headings}
    runbooks = re.findall(r'runbook: "(.+)"$', ALERTS, re.MULTILINE)
    assert len(runbooks) == len(ALERT_NAMES) == len(set(ALERT_NAMES))
    for runbook in runbooks:
        told = re.search(r"\. docs/operate\.md#([\w-]+)$", runbook)
        assert told, f"no place in the manual: {runbook}"
        assert told[1] in anchors, f"docs/operate.md has no #{told[1]}"


def test_the_page_tells_of_each_alert() -> None:
    told = re.findall(r"^\| `(Voiced\w+)`", PAGE.read_text(), re.MULTILINE)
    assert sorted(told) == sorted(ALERT_NAMES)


def test_each_alert_is_tried() -> None:
    tried = (FOLDER / "alerts_test.yml").read_text()
    assert [name for name in ALERT_NAMES if f'alertname="{name}"' not in tried] == []


@with_promtool
def test_promtool_takes_the_rules() -> None:
    assert promtool("check", "rules", FOLDER / "alerts.yml") == ""


@with_promtool
def test_alerts_come_in_trouble_and_not_on_a_good_day() -> None:
    assert promtool("test", "rules", FOLDER / "alerts_test.yml") == ""


# --- the dashboard ------------------------------------------------------------------------------


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    assert used("\n".join(queries())) <= set(SAMPLES)


def test_every_metric_is_on_the_dashboard_or_in_an_alert() -> None:
    expressions = "\n".join([*queries(), *ALERT_LINES])
    seen = {SAMPLES[name].name for name in used(expressions)}
    assert seen == set(DECLARED)


def test_the_dashboard_groups_by_labels_that_there_are() -> None:
    for query in queries():
        names = {label.name for used_ in used(query) for label in SAMPLES[used_].labels}
        for labels in re.findall(r"by \(([^)]+)\)", query):
            assert set(labels.split(", ")) <= names | {"le", "instance"}


def test_each_panel_has_a_place_of_its_own_and_says_what_it_shows() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    for panel in PANELS:
        assert panel["description"].endswith(".")
        assert panel["targets"]
        assert panel["datasource"]["uid"] == "${datasource}"
    for one, other in combinations((panel["gridPos"] for panel in everything), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in everything)


@with_promtool
def test_promtool_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    rules = tmp_path / "queries.json"  # JSON is YAML
    plain = [query.replace("$__rate_interval", "5m") for query in queries()]
    recorded = [{"record": f"q{number}", "expr": query} for number, query in enumerate(plain)]
    rules.write_text(json.dumps({"groups": [{"name": "q", "rules": recorded}]}))
    assert promtool("check", "rules", rules) == ""
