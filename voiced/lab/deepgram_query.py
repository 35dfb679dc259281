"""What the stand-in Deepgram takes as a query, and what it answers 400 to. Pure."""

from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen

LISTEN: Final = "/v1/listen"
FLUX: Final = "/v2/listen"

_NOVA_MODELS: Final = ("nova-3", "nova-2")
_FLUX_MODELS: Final = frozenset({"flux-general-en", "flux-general-multi"})
_SPOKEN: Final = "en es fr de hi ru pt ja it nl multi"
_SWITCHES: Final = (
    "interim_results vad_events smart_format punctuate numerals profanity_filter filler_words "
    "multichannel dictation detect_entities mip_opt_out no_delay diarize"
)
_FLUX_KNOWS: Final = (
    "model encoding sample_rate eot_threshold eager_eot_threshold eot_timeout_ms keyterm "
    "language_hint profanity_filter numerals mip_opt_out redact tag"
)
_LANGUAGES: Final = frozenset(_SPOKEN.split())
_BOOLEANS: Final = frozenset(_SWITCHES.split())
_FLUX_KEYS: Final = frozenset(_FLUX_KNOWS.split())
_MOST_KEYTERMS: Final = 100
_EOT: Final = (0.5, 1.0)
_EAGER: Final = (0.3, 0.9)
_TIMEOUT_MS: Final = (500, 60_000)


@frozen
class ListenQuery:
    """`/v1/listen`; None: not asked for."""

    endpointing_s: float | None
    utterance_end_s: float | None
    interims: bool
    vad_events: bool
    keyterms: tuple[str, ...] = ()


@frozen
class FluxQuery:
    """`/v2/listen`; without `eager` there are no eager ends of turn."""

    threshold: float
    eager: float | None
    timeout_s: float
    keyterms: tuple[str, ...] = ()


def read_query(
    path: str, query: Mapping[str, str], keyterms: tuple[str, ...]
) -> ListenQuery | FluxQuery | str:
    """What is asked for, or what is wrong with the question. `keyterms`: the values of the key
    `keyterm`, the only one that may stand there again and again."""
    if len(keyterms) > _MOST_KEYTERMS:
        return "Keyterm limit exceeded"
    try:
        asked = flux_query(query) if path == FLUX else listen_query(query)
    except ValueError:
        return "Not a number"
    return asked if isinstance(asked, str) else evolve(asked, keyterms=keyterms)


def listen_query(query: Mapping[str, str]) -> ListenQuery | str:
    """Reads the query of a Nova stream, or says what is wrong with it."""
    model = query.get("model", "")
    language = query.get("language", "en")
    interims = query.get("interim_results") == "true"
    faults = [
        (not model.startswith(_NOVA_MODELS), f"No such model on this path: {model}"),
        (language.partition("-")[0] not in _LANGUAGES, f"No such model/language: {language}"),
        ("keywords" in query and model.startswith("nova-3"), "Keywords are not for nova-3"),
        ("keyterm" in query and not model.startswith("nova-3"), "Keyterms are for nova-3"),
        ("utterance_end_ms" in query and not interims, "utterance_end_ms needs interim_results"),
        *_common_faults(query),
    ]
    for fault, why in faults:
        if fault:
            return why
    endpointing = query.get("endpointing", "10")
    utterance_end = query.get("utterance_end_ms")
    return ListenQuery(
        None if endpointing == "false" else int(endpointing) / 1000,
        int(utterance_end) / 1000 if utterance_end else None,
        interims,
        query.get("vad_events") == "true",
    )


def flux_query(query: Mapping[str, str]) -> FluxQuery | str:
    """Reads the query of a Flux stream, or says what is wrong with it."""
    strangers = sorted(set(query) - _FLUX_KEYS)
    multi = query.get("model", "").endswith("-multi")
    threshold = float(query.get("eot_threshold", "0.7"))
    eager = float(query["eager_eot_threshold"]) if "eager_eot_threshold" in query else None
    timeout_ms = int(query.get("eot_timeout_ms", "5000"))
    faults = [
        (query.get("model") not in _FLUX_MODELS, "No such model on this path"),
        (bool(strangers), f"Unknown parameters: {', '.join(strangers)}"),
        ("language_hint" in query and not multi, "language_hint needs a multilingual model"),
        (query.get("language_hint", "en") not in _LANGUAGES - {"multi"}, "No such language"),
        (not _EOT[0] <= threshold <= _EOT[1], "eot_threshold out of range"),
        (
            eager is not None and not _EAGER[0] <= eager <= _EAGER[1],
            "eager_eot_threshold out of range",
        ),
        (eager is not None and eager > threshold, "eager_eot_threshold above eot_threshold"),
        (not _TIMEOUT_MS[0] <= timeout_ms <= _TIMEOUT_MS[1], "eot_timeout_ms out of range"),
        *_common_faults(query),
    ]
    for fault, why in faults:
        if fault:
            return why
    return FluxQuery(threshold, eager, timeout_ms / 1000)


def _common_faults(query: Mapping[str, str]) -> list[tuple[bool, str]]:
    wrong = [name for name in _BOOLEANS & set(query) if query[name] not in {"true", "false"}]
    return [
        (query.get("encoding") != "mulaw", "This stand-in hears mulaw only"),
        (query.get("sample_rate") != "8000", "This stand-in hears 8000 Hz only"),
        (bool(wrong), f"Not true or false: {', '.join(wrong)}"),
    ]
