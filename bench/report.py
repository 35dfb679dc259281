"""The report: on the terminal, as JSON, and spliced into docs/performance.md."""

import json
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from attrs import asdict

from bench.table import Table

DOCUMENT = Path(__file__).parent.parent / "docs" / "performance.md"
TITLE = "## "
BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
PACKAGES = ("trio", "trio-websocket", "wsproto", "hypercorn", "quart-trio", "httpx", "numpy",
            "msgpack", "soxr")  # fmt: skip


def machine() -> dict[str, str]:
    """Where and when."""
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    load = " ".join(f"{each:.2f}" for each in os.getloadavg())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "load before": load,
    }


def as_text(where: Mapping[str, str], tables: Sequence[Table]) -> str:
    """For the terminal."""
    parts = ["\n".join(f"{name:12} {value}" for name, value in where.items())]
    for table in tables:
        cells = table.text()
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = ["  ".join(_padded(row, widths)).rstrip() for row in cells]
        parts.append("\n".join([table.title.upper(), *lines, *table.notes]))
    return "\n\n".join(parts) + "\n"


def _padded(row: list[str], widths: list[int]) -> list[str]:
    first, *rest = [*zip(row, widths, strict=True)]
    return [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]


def as_markdown(where: Mapping[str, str], tables: Sequence[Table]) -> str:
    """For the document."""
    head = "\n".join(f"- {name}: {value}" for name, value in where.items())
    return "\n\n".join([head, *map(_section, tables)]) + "\n"


def _section(table: Table) -> str:
    heads, *rows = table.text()
    rule = ["---", *["---:"] * (len(heads) - 1)]
    lines = [f"| {' | '.join(row)} |" for row in [heads, rule, *rows]]
    return "\n\n".join([f"{TITLE}{table.title}", "\n".join(lines), *table.notes])


def merged(figures: str, where: Mapping[str, str], tables: Sequence[Table]) -> str:
    """The document's figures with these tables made anew; each says that it was another run."""
    head, *sections = figures.strip().split(f"\n{TITLE}")
    known = {section.partition("\n")[0]: f"{TITLE}{section.strip()}" for section in sections}
    run = "Another run: {date}, Python {python}, load before {load before}.".format_map(where)
    for table in tables:
        known[table.title] = f"{_section(table)}\n\n{run}"
    return "\n\n".join([head.strip(), *known.values()]) + "\n"


def as_json(where: Mapping[str, str], tables: Sequence[Table]) -> str:
    """For other programs."""
    whole = {"machine": where, "tables": [asdict(table) for table in tables]}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def splice(made: Callable[[str], str]) -> None:
    """Makes the figures between the document's markers anew, from those that are there."""
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    figures, end, after = rest.partition(END)
    if not end:
        raise SystemExit(f"{DOCUMENT} has lost its markers {BEGIN} and {END}")
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{made(figures)}\n{END}{after}")
