"""Which port an engine's address leads to, and whether TLS is spoken there."""

import pytest
import trio
import trio.testing

from voiced.engines.dial import dial


class Encrypted(Exception):
    """TLS was begun."""


@pytest.mark.parametrize(
    ("url", "port", "encrypted"),
    [
        ("ws://gpu/api", 80, False),
        ("wss://gpu/api", 443, True),
        ("http://gpu/v1", 80, False),
        ("https://gpu/v1", 443, True),
        ("http://gpu:443/v1", 443, False),
        ("https://gpu:8443/v1", 8443, True),
    ],
)
async def test_the_scheme_says_the_port_and_whether_it_is_encrypted(
    *, url: str, port: int, encrypted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    ours, _ = trio.testing.memory_stream_pair()

    async def connect(host: str, port: int) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        asked.append((host, port))
        return ours

    def begin(stream: trio.abc.Stream, *rest: object, server_hostname: str, **how: object) -> None:
        assert (stream, server_hostname) == (ours, "gpu")
        raise Encrypted

    monkeypatch.setattr(trio, "open_tcp_stream", connect)
    monkeypatch.setattr(trio, "SSLStream", begin)
    monkeypatch.setattr("voiced.engines.dial.shortened", lambda stream: stream)
    if encrypted:
        with pytest.raises(Encrypted):
            await dial(url)
    else:
        assert await dial(url) is ours
    assert asked == [("gpu", port)]
