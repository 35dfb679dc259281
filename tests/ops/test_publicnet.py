"""What is on the open internet, and what only looks like it."""

import socket

import httpx
import pytest
import trio
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from voiced.errors import VoicedError
from voiced.ops.publicnet import PrivateAddress, direct_client, is_public, resolve_public

PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.215.14",
    "172.15.255.255",
    "172.32.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4007:80e::200e",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
]
PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:a9fe:a9fe",
    "::ffff:0:127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::",
    "2002:c0a8:101::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456:789a::1",
    "fe80::1",
    "fe80::1%2",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_every_other_is_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "8.8.8.8:80", "[::1]"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_way_through_ipv6_leads_to_a_private_address(address: object) -> None:
    assert not is_public(f"::ffff:{address}")
    assert not is_public(f"64:ff9b::{address}")
    high, low = divmod(int(address), 65536)  # type: ignore[call-overload]
    assert not is_public(f"2002:{high:x}:{low:x}::1")


@define
class Names(trio.abc.HostnameResolver):
    """A DNS of our own."""

    addresses: dict[str, list[str]]
    asked: list[object] = field(factory=list)

    async def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # type: ignore[no-untyped-def]
        await trio.lowlevel.checkpoint()
        name = host.decode()
        self.asked.append(name)
        if name not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, type, 6, "", (each, port)) for each in self.addresses[name]]

    async def getnameinfo(self, sockaddr, flags):  # type: ignore[no-untyped-def]
        raise NotImplementedError


@pytest.fixture
async def names() -> Names:
    names = Names(
        {
            "public.example": ["8.8.8.8", "2606:4700:4700::1111"],
            "mixed.example": ["8.8.8.8", "10.0.0.5"],
            "last.example": ["8.8.8.8", "1.1.1.1", "::ffff:169.254.169.254"],
            "metadata.example": ["169.254.169.254"],
        }
    )
    trio.socket.set_custom_hostname_resolver(names)
    await trio.lowlevel.checkpoint()
    return names


async def test_a_public_name_gives_one_address_and_is_asked_for_once(names: Names) -> None:
    assert await resolve_public("public.example", 443) == "8.8.8.8"
    assert names.asked == ["public.example"]


@pytest.mark.parametrize("host", ["mixed.example", "last.example", "metadata.example"])
async def test_one_private_address_is_enough_to_refuse(names: Names, host: str) -> None:
    with pytest.raises(PrivateAddress, match=f"{host} has an address that is not on the open"):
        await resolve_public(host, 443)
    assert names.asked == [host]


async def test_an_unknown_name_is_an_error_of_the_system(names: Names) -> None:
    with pytest.raises(OSError, match="not known"):
        await resolve_public("nowhere.example", 443)
    assert names.asked == ["nowhere.example"]


async def test_what_is_no_name_at_all_is_refused(names: Names) -> None:
    with pytest.raises(UnicodeError):
        await resolve_public("\ud800", 443)
    assert names.asked == []


LOOPBACKS = [
    "0x7f.1", "2130706433", "017700000001", "0x7f000001", "127.1", "0177.0.0.1", "0", "0.0",
    "127.0.0.1", "::1", "::ffff:7f00:1", "0:0:0:0:0:0:0:1",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACKS)
async def test_odd_notations_do_not_slip_through(host: str) -> None:
    with pytest.raises(PrivateAddress):
        await resolve_public(host, 80)


async def test_a_number_of_the_internet_passes() -> None:
    assert await resolve_public("8.8.8.8", 80) == "8.8.8.8"
    assert await resolve_public("134744072", 80) == "8.8.8.8"


async def test_this_machines_own_name_is_refused() -> None:
    with pytest.raises(PrivateAddress):
        await resolve_public("localhost", 80)


async def test_the_client_keeps_no_cookies() -> None:
    setting = httpx.Response(200, headers={"Set-Cookie": "a=b; Path=/"})
    async with direct_client(httpx.MockTransport(lambda request: setting)) as client:
        await client.get("http://hooks.example.test/")
        assert list(client.cookies.jar) == []


def test_it_is_an_error_of_voiced() -> None:
    assert issubclass(PrivateAddress, VoicedError)
