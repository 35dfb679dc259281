"""Who takes part in a call: the engines of an agent, and the configuration that names them all."""

from collections.abc import Mapping, Sequence
from enum import Enum

from attrs import frozen

from bench.webhooks import TOKEN

SENTENCE = "hello there good morning"
"""What the callers say. "Hello, this is Chez Sesame. How can I help you?" is the answer."""

CONFIGURATION = """\
[server]
port = {port}
max_calls = 100
[twilio]
auth_token = "{token}"
[stt.moshi]
type = "moshi"
url = "{lab.stt_url}"
[stt.patient]
type = "moshi"
url = "{patient}"
[stt.unsure]
type = "moshi"
url = "{unsure}"
[stt.nova]
type = "deepgram"
url = "{lab.deepgram_url}"
api_key = "public_token"
language = "en"
endpointing_ms = 300
[stt.flux]
type = "deepgram"
url = "{lab.deepgram_url}"
api_key = "public_token"
model = "flux-general-en"
language = "en"
[stt.flux-eager]
type = "deepgram"
url = "{lab.deepgram_url}"
api_key = "public_token"
model = "flux-general-en"
language = "en"
eager_eot_threshold = 0.4
[tts.moshi]
type = "moshi"
url = "{lab.tts_url}"
voice = "tone"
[tts.cartesia]
type = "cartesia"
url = "{lab.cartesia_url}"
api_key = "public_token"
voice = "00000000-0000-4000-8000-000000000001"
[llm.openai]
type = "openai"
base_url = "{lab.llm_url}"
model = "voiced-lab"
[llm.anthropic]
type = "anthropic"
base_url = "{lab.anthropic_url}"
api_key = "public_token"
[records]
directory = "{folder}"
[limits]
requests_per_minute = 100000
"""
AGENT = """\
[agent.{name}]
language = "en"
prompt = "You answer the telephone."
greeting = "Hello."
stt = ["{cast.stt}"]
llm = ["{cast.llm}"]
tts = ["{cast.tts}"]
eager_reply = {cast.eager.value}
[[route]]
called = "{called}"
agent = "{name}"
"""


class Eager(Enum):
    """Whether replies are begun before it is certain that the caller has finished."""

    ON = "true"
    OFF = "false"


@frozen
class Cast:
    """The engines of a call, by their names in `CONFIGURATION`.

    `pauses_s`: for so long the caller pauses for thought in the middle of every fourth sentence;
    0: never.
    """

    stt: str
    tts: str
    llm: str
    eager: Eager = Eager.ON
    pauses_s: float = 0.0


def configuration(places: Mapping[str, object], casts: Sequence[Cast]) -> str:
    """The daemon's: an agent for each cast, which answers the number `called`. `places` are the
    names in braces above.
    """
    parts = [CONFIGURATION.format(token=TOKEN, **places)]
    for number, cast in enumerate(casts):
        name = f"a{number}" if number else "default"
        parts.append(AGENT.format(name=name, cast=cast, called=called(number)))
    return "".join(parts)


def called(number: int) -> str:
    """The number to dial for this cast."""
    return f"+331000{number:05d}"
