"""Who is let in, and whom a request counts against."""

import pytest
from werkzeug.datastructures import Headers

from voiced.config import Secret
from voiced.web.guard import Verdict, client_of, judge

ALLOWED, UNAUTHORISED = Verdict.ALLOWED, Verdict.UNAUTHORISED
TOKEN = Secret("s3cret-é")
AS_SENT = "s3cret-é".encode().decode("latin-1")
"""As a server hands on the bytes of a header."""


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # not our proxy: it may write anything
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "10.0.0.1, 198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7,", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, unknown", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7:443", "127.0.0.1"),
        ("::1", "2001:DB8:0::1", "2001:db8::1"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("::ffff:192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("", "198.51.100.7", ""),
        ("unix:", "198.51.100.7", "unix:"),
    ],
)
def test_a_request_counts_against_whoever_sent_it(
    peer: str, forwarded_for: str, client: str
) -> None:
    assert client_of(peer, forwarded_for) == client


# --- with a token --------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_opens_from_anywhere(scheme: str) -> None:
    verdict = judge(TOKEN, f"{scheme} {AS_SENT}", "192.0.2.1", {"Via": "1.1 x"}, "voice.test")
    assert verdict is ALLOWED


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", AS_SENT, f"Basic {AS_SENT}", f"Bearer{AS_SENT}",
     f"Bearer {AS_SENT}x", f"Bearer {AS_SENT[:-1]}", f"Bearer {AS_SENT} {AS_SENT}",
     "Bearer s3cret-é", "Bearer s3cret-\u20ac", "Bearer \udcff", "Bearer s3cret-e"],
)  # fmt: skip
def test_nothing_else_opens_where_there_is_a_token(authorization: str) -> None:
    assert judge(TOKEN, authorization, "127.0.0.1", {}, "localhost") is UNAUTHORISED


@pytest.mark.parametrize("authorization", ["Bearer ", "Bearer", ""])
def test_an_empty_token_opens_nothing(authorization: str) -> None:
    assert judge(Secret(""), authorization, "127.0.0.1", {}, "localhost") is UNAUTHORISED


# --- without one ---------------------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:8765", "127.0.0.1", "127.0.0.1:8765", "127.1.2.3", "[::1]",
     "[::1]:8765"],
)  # fmt: skip
def test_without_a_token_this_machine_is_let_in(peer: str, host: str) -> None:
    assert judge(None, "", peer, {"Accept": "*/*", "Host": host}, host) is ALLOWED


@pytest.mark.parametrize("peer", ["192.0.2.1", "10.0.0.1", "::", "0.0.0.0", "", "localhost", "x"])
def test_without_a_token_no_other_machine_is(peer: str) -> None:
    assert judge(None, "Bearer x", peer, {}, "localhost") is UNAUTHORISED


@pytest.mark.parametrize(
    "name",
    ["Forwarded", "via", "X-Real-IP", "X-Forwarded-For", "x-forwarded-proto", "X-FORWARDED-HOST"],
)
def test_without_a_token_nobody_behind_a_proxy_is(name: str) -> None:
    assert judge(None, "", "127.0.0.1", {name: ""}, "localhost") is UNAUTHORISED
    assert judge(None, "", "127.0.0.1", Headers([(name, "x")]), "localhost") is UNAUTHORISED


def test_the_servers_own_headers_are_understood() -> None:
    assert judge(None, "", "127.0.0.1", Headers([("Accept", "x")]), "localhost") is ALLOWED


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "192.0.2.1",
     "127.0.0.1@evil.example", "localhost:", "localhost:x", "localhost:1:2", "[::2]", "[::1", "::1",
     "[]", "127.1", "localhost\n", "[127.0.0.1.x]", "evil.example:127"],
)  # fmt: skip
def test_without_a_token_a_name_that_is_not_this_machines_is_none(host: str) -> None:
    assert judge(None, "", "127.0.0.1", {}, host) is UNAUTHORISED
