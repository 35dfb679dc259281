"""The intent router: what it routes rightly and wrongly, and what a decision costs."""

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import process_time

from attrs import frozen

from bench.table import Cell, Extent, Table, percentiles
from voiced.dialog.router import Clear, Examples, Scored, decide
from voiced.dialog.router_ngrams import NgramSpace

UTTERANCES = Path(__file__).parent.parent / "tests" / "data" / "utterances.toml"
NONE = "none"
PARTS = ("tune", "test")
LANGUAGES = {"en": "English", "fr": "French"}
THRESHOLDS = (0.6, 0.65, 0.7, 0.72, 0.75, 0.8)
ROUNDS = 5


@frozen
class Utterance:
    """One utterance, the intent that it has or NONE, and what the router makes of it."""

    language: str
    part: str
    label: str
    text: str
    scores: list[Scored]

    def routed(self, clear: Clear) -> str:
        """The intent it is routed to, or NONE."""
        return decide(self.scores, clear).intent or NONE


@frozen
class Line:
    """A line of business in one language."""

    name: str
    language: str
    parts: dict[str, dict[str, list[str]]]

    @property
    def examples(self) -> list[Examples]:
        """The intents of this line; their names are unique among all lines."""
        intents = self.parts["examples"].items()
        return [Examples(f"{self.name}.{intent}", tuple(texts)) for intent, texts in intents]


def measure(extent: Extent) -> list[Table]:
    """Four tables: rightly routed, by threshold, by intent, and the cost."""
    lines = list(_lines())
    said = [utterance for line in lines for utterance in _compared(line)]
    return [_accuracy(said), _thresholds(said), _intents(said), _cost(lines, said, extent)]


def _lines() -> Iterator[Line]:
    for name, languages in tomllib.loads(UTTERANCES.read_text()).items():
        for language, parts in languages.items():
            yield Line(f"{name}.{language}", language, parts)


def _compared(line: Line) -> Iterator[Utterance]:
    space = NgramSpace(line.examples)
    for part in PARTS:
        for label, texts in line.parts[part].items():
            whole = NONE if label == NONE else f"{line.name}.{label}"
            for text in texts:
                yield Utterance(line.language, part, whole, text, space.scores(text))


def _rates(said: Sequence[Utterance], clear: Clear) -> list[Cell]:
    """Routed, of these wrongly, precision and recall."""
    routed = [each for each in said if each.routed(clear) != NONE]
    right = sum(each.routed(clear) == each.label for each in routed)
    meant = sum(each.label != NONE for each in said)
    precision = f"{100 * right / len(routed):.1f}" if routed else "-"
    return [len(routed), len(routed) - right, precision, f"{100 * right / meant:.1f}"]


def _accuracy(said: Sequence[Utterance]) -> Table:
    columns = ("utterances", "said", "for an intent", "routed", "of these wrongly",
               "precision, %", "recall, %")  # fmt: skip
    groups = [
        (f"{told}, {part}", [e for e in said if (e.language, e.part) == (language, part)])
        for part in PARTS
        for language, told in LANGUAGES.items()
    ]
    rows = tuple(
        (name, len(some), sum(e.label != NONE for e in some), *_rates(some, Clear()))
        for name, some in [*groups, ("all", said)]
    )
    wrong = [
        f"“{each.text}” as {each.routed(Clear()).rpartition('.')[2]}"
        for each in said
        if each.routed(Clear()) not in (NONE, each.label)
    ]
    notes = (
        "A restaurant's line and a clinic's, each with six intents of eight example phrases, in two"
        " languages; all in tests/data/utterances.toml. The rest has to go to the model: near"
        " misses, negations, two questions at once, answers. `tune` is what thresholds and weights"
        " were chosen on; `test` was written afterwards, by the same hand. Real callers say what no"
        " author thinks of: `voiced route` and the log of near misses show it.",
        f"Threshold {Clear().threshold}, margin {Clear().margin}. By n-grams alone: no embeddings"
        " were at hand to be measured. Wrong: " + (", ".join(wrong) or "none") + ".",
    )
    return Table("Routing without a model", columns, rows, notes)


def _thresholds(said: Sequence[Utterance]) -> Table:
    columns = ("intent_threshold", "routed", "of these wrongly", "precision, %", "recall, %")
    rows = tuple((f"{each:.2f}", *_rates(said, Clear(each, Clear().margin))) for each in THRESHOLDS)
    return Table("Routing by threshold", columns, rows, ("The same utterances, all of them.",))


def _intents(said: Sequence[Utterance]) -> Table:
    columns = ("what is meant", "said", "routed rightly", "wrongly", "to the model")
    counts: dict[str, list[int]] = {}
    for each in said:
        row = counts.setdefault(each.label.rpartition(".")[2], [0, 0, 0, 0])
        to = each.routed(Clear())
        verdict = 3 if to == NONE else 1 if to == each.label else 2
        row[0] += 1
        row[verdict] += 1
    rows = tuple((label, *row) for label, row in sorted(counts.items(), key=_none_last))
    return Table("Routing by intent", columns, rows, ("Both lines and languages together.",))


def _none_last(counted: tuple[str, list[int]]) -> tuple[bool, str]:
    return counted[0] == NONE, counted[0]


def _cost(lines: Sequence[Line], said: Sequence[Utterance], extent: Extent) -> Table:
    examples = [each for line in lines for each in line.examples]
    before = process_time()
    space = NgramSpace(examples)
    built_ms = 1000 * (process_time() - before)
    some = said if extent is Extent.FULL else said[:: len(said) // 100]
    costs = [_cost_us(space, each.text) for each in some]
    phrases = sum(len(each.phrases) for each in examples)
    columns = ("", "p50, us", "p99, us", "max, us")
    row = ("a decision", *percentiles(costs, 50, 99, 100))
    notes = (
        f"CPU time; {len(examples)} intents of {phrases} phrases in all, the median of {ROUNDS} for"
        f" each utterance. Comparing them for the first time takes {built_ms:.0f} ms, at the start"
        " and at a reload.",
    )
    return Table("What routing costs", columns, (row,), notes)


def _cost_us(space: NgramSpace, text: str) -> float:
    rounds = []
    for _ in range(ROUNDS):
        before = process_time()
        decide(space.scores(text), Clear())
        rounds.append(process_time() - before)
    return 1e6 * median(rounds)
