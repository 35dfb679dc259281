"""TwiML: what Twilio is told to do with a call, as XML documents.

Characters that XML 1.0 cannot hold are removed from every text and attribute.

Source: Twilio's TwiML reference; error 31920 for a stream URL with a query string.
"""

import re
from collections.abc import Mapping
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

MAX_PARAMETER = 500
"""A `<Parameter>`'s name and value together must be shorter than this."""

MAX_SAY = 4096
"""Twilio reads no more characters than these; what is longer is cut."""

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def connect(
    stream_url: str,
    parameters: Mapping[str, str],
    action: str | None = None,
    status_callback: str | None = None,
) -> str:
    """Connects the call to a media stream, both ways, until our end closes it.

    `parameters` come back in the stream's `start` message; `action` is asked for TwiML when
    the stream has ended; `status_callback` is told when it starts, stops or fails.

    Raises:
        ValueError: a parameter is too long, or the URL has a query string, which Twilio drops.
    """
    if "?" in stream_url:
        raise ValueError("a stream URL cannot have a query string")
    response = Element("Response")
    stream = _add(_add(response, "Connect", action=action), "Stream", url=stream_url)
    _set(stream, statusCallback=status_callback)
    for name, value in parameters.items():
        if len(name) + len(value) >= MAX_PARAMETER:
            raise ValueError("a stream parameter is too long")
        _add(stream, "Parameter", name=name, value=value)
    return _document(response)


def nothing() -> str:
    """Whatever the call was doing goes on."""
    return _document(Element("Response"))


def say(text: str, language: str) -> str:
    """Twilio's own voice says a sentence; the document ends there, not the call."""
    response = Element("Response")
    _add(response, "Say", language=language).text = _clean(text)[:MAX_SAY]
    return _document(response)


def say_and_hang_up(text: str, language: str) -> str:
    """Twilio's own voice says a sentence, then the call ends. `language` is a tag like `fr-FR`."""
    response = Element("Response")
    _add(response, "Say", language=language).text = _clean(text)[:MAX_SAY]
    _add(response, "Hangup")
    return _document(response)


def hang_up() -> str:
    """Ends the call."""
    response = Element("Response")
    _add(response, "Hangup")
    return _document(response)


def redirect(url: str) -> str:
    """Twilio asks `url` (by POST) what to do next."""
    response = Element("Response")
    _add(response, "Redirect", method="POST").text = _clean(url)
    return _document(response)


def dial(
    number: str,
    caller_id: str | None = None,
    timeout_s: int = 20,
    action: str | None = None,
    whisper: str | None = None,
) -> str:
    """Transfers the call to a number; `action` is asked for TwiML when that leg is over.

    The caller keeps hearing it ring until the other side answers, `timeout_s` at most. Who
    answers there hears the TwiML at `whisper` before the two are connected. Without `caller_id`
    the other side sees the caller's own number.
    """
    response = Element("Response")
    leg = _add(response, "Dial", action=action, callerId=caller_id)
    _set(leg, timeout=str(timeout_s), answerOnBridge="true")
    _add(leg, "Number", url=whisper).text = _clean(number)
    return _document(response)


def _add(parent: Element, tag: str, **attributes: str | None) -> Element:
    return _set(SubElement(parent, tag), **attributes)


def _set(element: Element, **attributes: str | None) -> Element:
    for name, value in attributes.items():
        if value is not None:
            element.set(name, _clean(value))
    return element


def _clean(text: str) -> str:
    return _NOT_XML.sub("", text)


def _document(root: Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>' + tostring(root, encoding="unicode")
