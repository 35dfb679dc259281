"""The signature of a webhook."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiced.records.signing import is_valid, sign

SECRET = "whsec-of-a-test"
BODY = b'{"id":"1"}'
AT = 1_767_225_600.9
HEADER = "t=1767225600,v1=58eb22ff07a7e08524aaa20ed13464bb9d4d05d1298e4d8cb795e36249a66fa7"


def test_a_known_vector() -> None:
    """`printf '1767225600.{"id":"1"}' | openssl dgst -sha256 -hmac whsec-of-a-test`"""
    assert sign(SECRET, BODY, AT) == HEADER
    assert is_valid(SECRET, BODY, HEADER, AT)


@pytest.mark.parametrize(
    ("secret", "body"),
    [("another", BODY), (SECRET, BODY + b" "), (SECRET, b""), (SECRET.upper(), BODY)],
)
def test_another_secret_or_body_is_not_valid(secret: str, body: bytes) -> None:
    assert not is_valid(secret, body, HEADER, AT)


def test_the_time_is_signed_too() -> None:
    assert not is_valid(SECRET, BODY, HEADER.replace("t=1767225600", "t=1767225601"), AT)


@pytest.mark.parametrize(
    ("late_s", "valid"), [(-301, False), (-300, True), (300, True), (301, False)]
)
def test_an_old_message_is_not_valid_nor_one_of_the_future(late_s: int, *, valid: bool) -> None:
    assert is_valid(SECRET, BODY, HEADER, 1_767_225_600 + late_s) is valid


def test_the_tolerance_can_be_chosen() -> None:
    assert is_valid(SECRET, BODY, HEADER, AT + 1000, tolerance_s=2000)
    assert not is_valid(SECRET, BODY, HEADER, AT + 5, tolerance_s=1)


def test_an_empty_secret_signs_nothing() -> None:
    assert not is_valid("", BODY, sign("", BODY, AT), AT)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1767225600",
        HEADER.partition(",")[2],
        HEADER + ",v1=0",
        HEADER + "\n",
        " " + HEADER,
        HEADER.upper(),
        HEADER.replace("v1", "v0"),
        HEADER.replace("t=1767225600", "t=١٧٦٧٢٢٥٦٠٠"),
        HEADER.replace("t=1767225600", "t=" + "9" * 5000),
        HEADER.replace("t=1767225600", "t=-1767225600"),
    ],
)
def test_a_malformed_header_is_not_valid(header: str) -> None:
    assert not is_valid(SECRET, BODY, header, AT)


@given(st.text() | st.just(HEADER[:-1]), st.binary(max_size=50))
def test_any_header_may_be_sent(header: str, body: bytes) -> None:
    assert not is_valid(SECRET, body, header, AT)


secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(secrets, st.binary(), st.floats(0, 4e9))
def test_what_is_signed_is_valid(secret: str, body: bytes, at: float) -> None:
    assert is_valid(secret, body, sign(secret, body, at), at)
