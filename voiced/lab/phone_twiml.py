"""TwiML in full, as an exchange plays it: transfers, pauses and sounds too.

Source: Twilio's "TwiML for Programmable Voice", verbs Dial, Number, Pause and Play.
"""

from xml.etree import ElementTree

from attrs import frozen

from voiced.errors import WireError
from voiced.lab.phone_wire import Line, Verb, read_response, read_verb

RING_S = 30.0
"""How long `<Dial>` rings where it does not say."""


@frozen
class Pause:
    """`<Pause>`."""

    seconds: float


@frozen
class Sound:
    """`<Play>`: a file by its url, or keys that are pressed into the line."""

    url: str
    digits: str = ""


@frozen
class Target:
    """`<Number>`: whom to dial; `url` is a document for their ear only, before the bridge."""

    number: str
    url: str = ""


@frozen
class Dial:
    """`<Dial>`: all targets ring at once, and the first to answer is bridged."""

    targets: tuple[Target, ...]
    action: str = ""
    caller_id: str = ""
    timeout_s: float = RING_S
    time_limit_s: float = 14_400.0
    answer_on_bridge: bool = False


Step = Verb | Pause | Sound | Dial


def parse_document(document: bytes, line: Line) -> list[Step]:
    """Reads a document as Twilio does.

    Raises:
        WireError: what `read_response` or `read_verb` refuses, or a number of seconds that is
            none.
    """
    return [_step(element, line) for element in read_response(document)]


def _step(element: ElementTree.Element, line: Line) -> Step:
    match element.tag:
        case "Pause":
            return Pause(_seconds(element, "length", 1.0))
        case "Play":
            text = (element.text or "").strip()
            return Sound(line.public(text) if text else "", element.get("digits", ""))
        case "Dial":
            return _dial(element, line)
    return read_verb(element, line)


def _dial(element: ElementTree.Element, line: Line) -> Dial:
    targets = [
        Target((number.text or "").strip(), line.public(url) if (url := number.get("url")) else "")
        for number in element.iter("Number")
    ]
    if text := (element.text or "").strip():
        targets.append(Target(text))
    action = element.get("action")
    return Dial(
        tuple(targets),
        line.public(action) if action else "",
        element.get("callerId", ""),
        _seconds(element, "timeout", RING_S),
        _seconds(element, "timeLimit", 14_400.0),
        element.get("answerOnBridge", "false") == "true",
    )


def _seconds(element: ElementTree.Element, name: str, default: float) -> float:
    text = element.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit():
        raise WireError(f"12200: {name} of <{element.tag}> is no number of seconds")
    return float(text)
