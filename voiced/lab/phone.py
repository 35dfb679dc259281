"""`voiced phone`: a software Twilio that calls a daemon and reports what its caller heard.

It posts the voice webhook, reads the TwiML, opens the media stream, plays a script into it in
real time, and judges what comes back with its own code: nothing of our side of the wire is used.
With an exchange there is a REST API beside the call, and the telephone can be called too.
"""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import trio
from attrs import asdict, evolve, field, frozen

from voiced.audio import g711
from voiced.errors import ConfigError, StartupError
from voiced.lab.commands import leaf
from voiced.lab.exchange import Exchange, run_exchange
from voiced.lab.exchange_settings import ExchangeSettings
from voiced.lab.phone_audio import read_wav, write_stereo
from voiced.lab.phone_call import CallResult, place_call
from voiced.lab.phone_dial import CallSettings
from voiced.lab.phone_record import Kind, PhoneEvent
from voiced.lab.phone_script import Person, read_script
from voiced.lab.script import Play, Say, Turn, complete
from voiced.lab.transcript import LivePrinter, Said, Speaker, render
from voiced.lab.voice import speak_text

CALLER_VOICE = "en-us+f3"


@frozen
class PhoneOptions:
    """What `voiced phone` is asked to do: one of `say`, `wav` and `script`."""

    call: CallSettings = field(factory=CallSettings)
    say: Sequence[str] = ()
    wav: Path | None = None
    script: Path | None = None
    voice: str = CALLER_VOICE
    folder: Path | None = None
    """Where call.wav, call.txt and call.json are left."""
    exchange: ExchangeSettings | None = None
    """A REST API beside the call; its `call` is not looked at."""
    answers: int = 0
    """How many calls of the daemon's are waited for and answered; 0: one is made."""


async def run_phone(options: PhoneOptions) -> CallResult:
    """Calls or is called, prints each call as it happens, and saves it; returns the last one.

    Raises:
        ConfigError: a script or a WAV file that cannot be used, or calls to answer without an
            exchange that they could come from.
        StartupError: the exchange's port is taken.
    """
    if options.answers and options.exchange is None:
        raise ConfigError(["voiced phone --answer needs --api-port: the daemon's twilio.api_url"])
    turns = await trio.to_thread.run_sync(_turns, options)
    printer = LivePrinter(sys.stdout)
    if options.exchange is None:
        result = await call(options.call, turns, options.voice, live(printer))
        await _report(options, result, printer)
        return result
    person = await rehearse(turns, options.voice)
    results: list[CallResult] = []
    failures: list[BaseException] = []
    try:
        async with trio.open_nursery() as nursery:
            settings = evolve(options.exchange, call=options.call)
            serving = partial(run_exchange, settings, person, live(printer))
            exchange: Exchange = await nursery.start(serving)
            printer.note(f"the API listens on {exchange.url}")
            results.append(await _telephone(options, exchange, printer))
            nursery.cancel_scope.cancel(reason="the calls are over")
    except* StartupError as group:
        failures.append(leaf(group))
    for failure in failures:
        raise failure  # not above: Python 3.11.2, Debian 12's, would wrap it in a group again
    return results[0]


async def _telephone(options: PhoneOptions, exchange: Exchange, printer: LivePrinter) -> CallResult:
    if not options.answers:
        result = await exchange.call()
        await _report(options, result, printer)
        return result
    for number in range(options.answers):
        result = (await exchange.wait_calls(number + 1))[number]
        await _report(options, result, printer)
    return result


async def _report(options: PhoneOptions, result: CallResult, printer: LivePrinter) -> None:
    printer.print(Said(result.duration_s, Speaker.NOTE, summary(result)))
    if options.folder is not None:
        folder = options.folder / result.call_sid if options.answers > 1 else options.folder
        await trio.to_thread.run_sync(save, result, folder)


async def rehearse(turns: Sequence[Turn], voice: str = CALLER_VOICE) -> Person:
    """Somebody who has everything that they will say spoken: no turn waits for it."""
    script = complete(turns)
    return Person(script, [await _speech(turn, voice) for turn in script])


async def call(
    settings: CallSettings,
    turns: Sequence[Turn],
    voice: str = CALLER_VOICE,
    tell: Callable[[PhoneEvent], None] = lambda event: None,
) -> CallResult:
    """Places a call after everything that the caller will say is spoken: no turn waits for it."""
    person = await rehearse(turns, voice)
    return await place_call(settings, person.turns, person.speech, tell)


def live(printer: LivePrinter) -> Callable[[PhoneEvent], None]:
    """Prints the events of a call as they come."""
    return lambda event: printer.print(_said(event))


def _said(event: PhoneEvent) -> Said:
    match event.kind:
        case Kind.CALLER_SPEAKS:
            return Said(event.at_s, Speaker.CALLER, event.text)
        case Kind.PRESSED:
            return Said(event.at_s, Speaker.CALLER, f"(presses {event.text})")
        case Kind.AGENT_SPEAKS:
            return Said(event.at_s, Speaker.AGENT, "(speaks)")
        case Kind.ANNOUNCED:
            return Said(event.at_s, Speaker.AGENT, event.text)
    detail = f": {event.text}" if event.text else ""
    return Said(event.at_s, Speaker.NOTE, f"({event.kind.value}{detail})")


def summary(result: CallResult) -> str:
    """The call in a sentence."""
    answers = [turn.answer_s for turn in result.turns if turn.answer_s is not None]
    yields = [turn.yield_s for turn in result.turns if turn.yield_s is not None]
    parts = [f"{result.duration_s:.1f} s, {len(result.turns)} turns"]
    if answers:
        parts.append(f"answered after {min(answers):.2f} to {max(answers):.2f} s")
    if yields:
        parts.append(f"gave way after {max(yields) * 1000:.0f} ms")
    parts += [f"transfer: {transfer.status}" for transfer in result.transfers]
    parts.append(f"{result.playback.gaps} gaps, {len(result.warnings)} warnings")
    return "; ".join(parts)


def said(result: CallResult) -> list[Said]:
    """The call as its caller can tell it: their own words, and when the agent was heard."""
    turns = [
        Said(turn.spoken.start_s, Speaker.CALLER, turn.utterance.words, answer_s=turn.answer_s)
        for turn in result.turns
    ]
    return turns + [_said(event) for event in result.events if event.kind != Kind.CALLER_SPEAKS]


def save(result: CallResult, folder: Path) -> None:
    """Leaves the call in a folder: stereo WAV (caller left), transcript, measurements."""
    folder.mkdir(parents=True, exist_ok=True)
    write_stereo(folder / "call.wav", result.caller, result.agent)
    (folder / "call.txt").write_text(render(f"Call {result.call_sid}", said(result)))
    kept = asdict(result, filter=lambda attribute, value: not isinstance(value, bytes))
    kept["duration_s"] = result.duration_s
    text = json.dumps(kept, indent=1, default=lambda one: one.value, ensure_ascii=False)
    (folder / "call.json").write_text(text + "\n")


def _turns(options: PhoneOptions) -> tuple[Turn, ...]:
    given = [bool(options.say), options.wav is not None, options.script is not None]
    if sum(given) != 1:
        raise ConfigError(["voiced phone needs exactly one of --say, --wav and --script"])
    if options.script is not None:
        return read_script(options.script)
    if options.wav is not None:
        return complete([Turn(Play(options.wav))])
    return complete([Turn(Say(text)) for text in options.say])


async def _speech(turn: Turn, voice: str) -> bytes:
    match turn.action:
        case Say(text):
            return g711.encode_float(await speak_text(text, voice))
        case Play(path):
            return await trio.to_thread.run_sync(read_wav, path)
    return b""
