"""`python -m bench [NAME...]`: all measurements, or some."""

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import answers, calls, daemon, report, resampler, routing, steps, tools, web
from bench.table import Extent, Table

MEASUREMENTS: Mapping[str, Callable[[Extent], list[Table]]] = {
    "resampler": resampler.measure,
    "steps": steps.measure,
    "routing": routing.measure,
    "calls": calls.measure,
    "tools": tools.measure,
    "web": web.measure,
    "answers": answers.measure,
    "daemon": daemon.measure,
}


def main() -> int:
    """Measures and reports; returns an exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME",
                        help=f"of {', '.join(MEASUREMENTS)}; default: all")  # fmt: skip
    much = parser.add_mutually_exclusive_group()
    much.add_argument(
        "--quick", action="store_const", const=Extent.QUICK, help="less: about three minutes"
    )
    much.add_argument(
        "--trial", action="store_const", const=Extent.TRIAL, help="next to nothing: does it work?"
    )
    parser.add_argument("--json", type=Path, default=Path("build/bench.json"), metavar="FILE")
    parser.add_argument(
        "--update",
        action="store_true",
        help="rewrites the figures of docs/performance.md, or of some of its tables",
    )
    arguments = parser.parse_args()
    names = arguments.names or list(MEASUREMENTS)
    if unknown := set(names) - set(MEASUREMENTS):
        parser.error(f"no such measurement: {', '.join(sorted(unknown))}")
    extent = arguments.quick or arguments.trial or Extent.FULL
    where, tables = report.machine(), []
    for name in names:
        sys.stderr.write(f"measuring: {name}\n")
        tables += MEASUREMENTS[name](extent)
    sys.stdout.write(report.as_text(where, tables))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(report.as_json(where, tables))
    if arguments.update:
        whole = set(names) == set(MEASUREMENTS)
        report.splice(
            lambda figures: (
                report.as_markdown(where, tables)
                if whole
                else report.merged(figures, where, tables)
            )
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
