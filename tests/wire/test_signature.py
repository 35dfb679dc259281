"""Signatures: known vectors, and twilio-python as the judge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from voiced.wire.signature import Form, is_valid, is_valid_body, sign

TOKEN = "12345"
CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675309",
    "Digits": "1234",
    "From": "+14158675309",
    "To": "+18005551212",
}
HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
BODY = b'{"property": "value", "boolean": true}'
BODY_URL = f"https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256={HASH}"

VECTORS: list[tuple[str, Form, str]] = [
    ("https://mycompany.com/myapp.php?foo=1&bar=2", CALL, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ("https://mycompany.com:443/myapp.php?foo=1&bar=2", CALL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
    ("http://mycompany.com:80/myapp.php?foo=1&bar=2", CALL, "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ("http://mycompany.com:1234/myapp.php?foo=1&bar=2", CALL, "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
    (
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        {"Sid": "CA123", "SidAccount": "AC123", "Digits": ["5678", "1234", "1234"]},
        "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
    ),
    (BODY_URL, {}, "a9nBmqA0ju/hNViExpshrM61xv4="),
    ("https://mycompany.com/voice", {"A": "", "B": " x "}, "sC48IcG6LD48dDMawKnAbQrNu98="),
    ("wss://voice.example.test/media/abc", {}, "Ngey1rZUgD+rgJGoZ/V1xROpzXk="),
    ("wss://voice.example.test/media/abc/", {}, "HqPGrBQbYTtkydUNDZsNTf88jZo="),
]


@pytest.mark.parametrize(("url", "form", "signature"), VECTORS)
def test_known_vectors(url: str, form: Form, signature: str) -> None:
    assert sign(TOKEN, url, form) == signature
    assert is_valid([TOKEN], url, form, signature)
    assert not is_valid([TOKEN], url + "x", form, signature)
    assert not is_valid([TOKEN], url, {**form, "Extra": "1"}, signature)


class MultiDict(dict[str, list[str]]):
    """What twilio-python takes for repeated fields."""

    def getlist(self, name: str) -> list[str]:
        return self[name]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
forms = st.dictionaries(texts, st.lists(texts, min_size=1, max_size=3), max_size=6)
urls = st.sampled_from(
    ["https://v.test/a?b=c", "http://v.test/", "wss://v.test/media/x", "https://v.test:8443"]
)


@given(texts.filter(bool), urls, forms)
def test_twilios_library_signs_the_same(token: str, url: str, form: dict[str, list[str]]) -> None:
    judge = RequestValidator(token)
    assert sign(token, url, form) == judge.compute_signature(url, MultiDict(form))


@given(urls, forms, st.sampled_from(["https://v.test:443/a?b=c", "http://v.test:80/"]))
def test_what_twilios_library_accepts_is_accepted(
    url: str, form: dict[str, list[str]], called: str
) -> None:
    signature = sign(TOKEN, called, form)
    judge = RequestValidator(TOKEN)
    if judge.validate(url, MultiDict(form), signature):
        assert is_valid([TOKEN], url, form, signature)


@pytest.mark.parametrize(
    ("configured", "called"),
    [
        ("https://v.test/p?q", "https://v.test:443/p?q"),
        ("https://v.test:443/p", "https://v.test/p"),
        ("https://v.test:8443/p", "https://v.test/p"),
        ("https://v.test:8443/p", "https://v.test:443/p"),
        ("http://v.test", "http://v.test:80"),
        ("wss://v.test/m", "wss://v.test:80/m"),
        ("wss://v.test/m", "wss://v.test:443/m"),
        ("wss://v.test:443/m", "wss://v.test:80/m"),
        ("https://u:p@v.test:443/p", "https://u:p@v.test/p"),
        ("https://[::1]:443/p", "https://[::1]/p"),
        ("https://[::1]/p", "https://[::1]:443/p"),
        ("https://v.test/a:443/b", "https://v.test:443/a:443/b"),
    ],
)
def test_the_port_may_be_there_or_not(configured: str, called: str) -> None:
    assert is_valid([TOKEN], configured, CALL, sign(TOKEN, called, CALL))


@pytest.mark.parametrize(
    ("configured", "called"),
    [
        ("https://v.test/p", "https://v.test:80/p"),
        ("https://v.test/p", "https://v.test:8443/p"),
        ("http://v.test/p", "https://v.test/p"),
        ("https://v.test/p", "https://w.test/p"),
        ("ftp://v.test/p", "ftp://v.test:80/p"),
        ("no url", "no url:443"),
    ],
)
def test_another_port_or_host_is_another_request(configured: str, called: str) -> None:
    assert not is_valid([TOKEN], configured, CALL, sign(TOKEN, called, CALL))


def test_both_tokens_are_good_during_a_rotation() -> None:
    url = "https://v.test/"
    assert is_valid(["new", "old"], url, {}, sign("old", url, {}))
    assert is_valid(["new", "old"], url, {}, sign("new", url, {}))
    assert not is_valid(["new", "old"], url, {}, sign("stolen", url, {}))


def test_an_empty_token_accepts_nothing() -> None:
    assert not is_valid(["", ""], "https://v.test/", {}, sign("", "https://v.test/", {}))
    assert not is_valid([], "https://v.test/", {}, sign("", "https://v.test/", {}))


@given(st.text())
def test_any_signature_may_be_sent(signature: str) -> None:
    assert not is_valid([TOKEN], "https://v.test/", {"a": "\ud800"}, signature)


def test_a_body_is_bound_by_its_hash_in_the_url() -> None:
    signature = "a9nBmqA0ju/hNViExpshrM61xv4="
    assert is_valid_body([TOKEN], BODY_URL, BODY, signature)
    assert not is_valid_body([TOKEN], BODY_URL, BODY + b" ", signature)
    assert not is_valid_body([TOKEN], BODY_URL, BODY, sign("other", BODY_URL, {}))


@pytest.mark.parametrize("query", ["", "?bodySHA256=", "?bodySHA256=é", "?bodysha256=" + HASH])
def test_a_body_without_its_hash_is_not_signed(query: str) -> None:
    url = "https://v.test/" + query
    assert not is_valid_body([TOKEN], url, BODY, sign(TOKEN, url, {}))


def test_twilios_library_agrees_on_bodies() -> None:
    assert RequestValidator(TOKEN).validate(BODY_URL, BODY.decode(), sign(TOKEN, BODY_URL, {}))
