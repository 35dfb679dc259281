"""Twilio's request signatures: HMAC-SHA1 over the URL and the form, with the auth token.

Source: Twilio's "Webhooks security", and the behaviour of twilio-python's RequestValidator.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha1, sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final, TypeAlias
from urllib.parse import parse_qs, urlsplit

Form: TypeAlias = Mapping[str, str | Sequence[str]]
"""A decoded form body, blank values kept: one value a name, or all of them."""

_ORIGIN: Final = re.compile(r"(?P<host>\w+://[^/?#]*?)(?P<port>:\d+)?(?P<rest>[/?#].*)?", re.DOTALL)
_DEFAULT_PORTS: Final = {"https": (":443",), "http": (":80",), "wss": (":443", ":80")}


def sign(token: str, url: str, form: Form) -> str:
    """The signature of a request: `url` as Twilio called it, verbatim; `form` its POST fields.

    A request without a form body (GET, JSON, WebSocket upgrade) signs an empty form.
    """
    parts = [url]
    for name in sorted(form):
        value = form[name]
        values = {value} if isinstance(value, str) else set(value)
        parts += [name + each for each in sorted(values)]
    return b64encode(hmac_digest(_bytes(token), _bytes("".join(parts)), sha1)).decode("ascii")


def is_valid(tokens: Sequence[str], url: str, form: Form, signature: str) -> bool:
    """Whether one of the auth tokens (two during a rotation) made this signature.

    `url` is our public address from the configuration, never from the Host header; Twilio signs
    it now with and now without the port, so both are tried. Takes the same time whatever the
    signature.
    """
    given = _bytes(signature)
    matches = [
        compare_digest(_bytes(sign(token, variant, form)), given)
        for token in tokens
        if token  # anyone can sign with an empty one
        for variant in _port_variants(url)
    ]
    return any(matches)


def is_valid_body(tokens: Sequence[str], url: str, body: bytes, signature: str) -> bool:
    """The same for a body that is no form: its hash stands in the URL, as `bodySHA256`."""
    stated = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
    intact = compare_digest(_bytes(stated), sha256(body).hexdigest().encode())
    return is_valid(tokens, url, {}, signature) and intact


def _port_variants(url: str) -> Iterator[str]:
    """The URL as it is, without its port, and with the default ports of its scheme."""
    yield url
    found = _ORIGIN.fullmatch(url)
    if found is None:
        return
    host, port, rest = found["host"], found["port"], found["rest"] or ""
    if port:
        yield host + rest
    for default in _DEFAULT_PORTS.get(host.partition(":")[0], ()):
        if default != port:
            yield host + default + rest


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
