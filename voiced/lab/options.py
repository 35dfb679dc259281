"""The options of the lab's commands. Imports nothing that an installed daemon may lack."""

import argparse
from pathlib import Path


def add_lab_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
) -> list[argparse.ArgumentParser]:
    """Adds and returns `demo`, `lab` and `phone`."""
    demo = commands.add_parser("demo", help="a whole call on this machine: no keys, no GPU")
    demo.add_argument("--folder", type=Path, default=Path("demo"), help="where the call is left")
    for role, types in (("stt", ["moshi", "deepgram", "flux"]), ("llm", ["openai", "anthropic"]),
                        ("tts", ["moshi", "cartesia"])):  # fmt: skip
        demo.add_argument(f"--{role}", choices=types, default=types[0], help="its stand-in")
    lab = commands.add_parser("lab", help="the stand-in engines, and a restaurant's book")
    _add_lab_options(lab)
    phone = commands.add_parser("phone", help="a software Twilio: calls a running daemon")
    phone.add_argument("url", nargs="?", default="http://127.0.0.1:8765", metavar="URL")
    says = phone.add_mutually_exclusive_group(required=True)
    says.add_argument("--say", action="append", metavar="TEXT", help="may be given again")
    says.add_argument("--wav", type=Path, metavar="FILE")
    says.add_argument("--script", type=Path, metavar="FILE", help="turns with barge-ins, TOML")
    phone.add_argument("--public-url", default="", help="the daemon's server.public_url")
    phone.add_argument("--auth-token", default="", help="signs as Twilio would")
    phone.add_argument("--folder", type=Path, help="where to leave what was heard")
    _add_exchange_options(phone)
    return [demo, lab, phone]


def _add_exchange_options(phone: argparse.ArgumentParser) -> None:
    """A REST API beside the telephone: the daemon's `twilio.api_url`."""
    phone.add_argument("--api-port", type=int, metavar="N",
                       help="serves Twilio's REST API here (0: any that is free)")  # fmt: skip
    phone.add_argument("--api-account", default="", help="the daemon's twilio.account_sid")
    phone.add_argument("--calls", type=int, default=1, metavar="N", help="to answer (default 1)")
    phone.add_argument("--from", dest="sender", default="", help="the person's number")
    phone.add_argument("--to", default="", help="the daemon's twilio.phone_number")
    phone.add_argument("--answer", action="store_true", help="waits for calls of the daemon's")
    phone.add_argument("--human", choices=["answered", "busy", "no-answer", "failed"],
                       default="answered", help="who is behind a transfer's number")  # fmt: skip
    phone.add_argument("--verdict", choices=["human", "busy", "no-answer", "failed", "machine"],
                       default="human", help="who answers a call of the daemon's")  # fmt: skip


def _add_lab_options(lab: argparse.ArgumentParser) -> None:
    """What the lab imitates, and where it listens."""
    for option, default, help_text in (
        ("--stt-port", 8190, "0: any that is free"),
        ("--tts-port", 8180, ""),
        ("--llm-port", 8111, ""),
        ("--stt-slots", 16, "batch_size of the STT"),
        ("--tts-slots", 8, "batch_size of the TTS"),
        ("--stt-delay-steps", 6, "steps of 80 ms before a word can be told"),
        ("--first-audio-ms", 250.0, "of the TTS, from its third word"),
        ("--speed", 0.4, "of the TTS: seconds of work for a second of sound"),
        ("--first-token-ms", 200.0, "of the LLM"),
        ("--tokens-per-s", 60.0, "of the LLM"),
    ):
        help_text = f"{help_text} (default {default})".strip()
        lab.add_argument(option, type=type(default), default=default, metavar="N", help=help_text)
    lab.add_argument("--bookings-port", type=int, metavar="N",
                     help="of the book (default 8199; any that is free"
                     " if --llm-port is 0)")  # fmt: skip
    lab.add_argument("--voice", choices=["espeak", "tone"], default="espeak")
    lab.add_argument("--ear", choices=["sphinx", "words"], default="sphinx")
    lab.add_argument("--sentence", action="append", metavar="TEXT",
                     help="what the ear `words` hears, one for each burst of sound")  # fmt: skip
    lab.add_argument("--llm-log", type=Path, metavar="FILE", help="the LLM's requests, JSON lines")
