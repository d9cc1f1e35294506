"""Which addresses may be connected to, and which URLs an endpoint may have."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.domain.addresses import Network, check_url, may_connect, parsed
from tocsin.domain.errors import Invalid
from tocsin.domain.limits import MAX_URL_CHARS

# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry, as of
# 2025-10-09; the last of each are in neither.
IPV4 = """
0.0.0.0/8            This network
0.0.0.0/32           This host on this network
10.0.0.0/8           Private-Use
100.64.0.0/10        Shared Address Space
127.0.0.0/8          Loopback
169.254.0.0/16       Link Local
172.16.0.0/12        Private-Use
192.0.0.0/24         IETF Protocol Assignments
192.0.0.0/29         IPv4 Service Continuity Prefix
192.0.0.8/32         IPv4 dummy address
192.0.0.9/32         Port Control Protocol Anycast
192.0.0.10/32        Traversal Using Relays around NAT Anycast
192.0.0.170/32       NAT64/DNS64 Discovery
192.0.0.171/32       NAT64/DNS64 Discovery
192.0.2.0/24         Documentation (TEST-NET-1)
192.31.196.0/24      AS112-v4
192.52.193.0/24      AMT
192.88.99.0/24       Deprecated (6to4 Relay Anycast)
192.88.99.2/32       6a44-relay anycast address
192.168.0.0/16       Private-Use
192.175.48.0/24      Direct Delegation AS112 Service
198.18.0.0/15        Benchmarking
198.51.100.0/24      Documentation (TEST-NET-2)
203.0.113.0/24       Documentation (TEST-NET-3)
240.0.0.0/4          Reserved
255.255.255.255/32   Limited Broadcast
224.0.0.0/4          Multicast
169.254.169.254/32   Metadata of AWS, Azure and Google Cloud
169.254.170.2/32     Credentials of an ECS task
168.63.129.16/32     Metadata of Azure
100.100.100.200/32   Metadata of Alibaba Cloud
"""
IPV6 = """
::1/128              Loopback Address
::/128               Unspecified Address
::ffff:0:0/96        IPv4-mapped Address
64:ff9b::/96         IPv4-IPv6 Translation
64:ff9b:1::/48       IPv4-IPv6 Translation
100::/64             Discard-Only Address Block
100:0:0:1::/64       Dummy IPv6 Prefix
2001::/23            IETF Protocol Assignments
2001::/32            TEREDO
2001:1::1/128        Port Control Protocol Anycast
2001:1::2/128        Traversal Using Relays around NAT Anycast
2001:1::3/128        DNS-SD Service Registration Protocol Anycast
2001:2::/48          Benchmarking
2001:3::/32          AMT
2001:4:112::/48      AS112-v6
2001:10::/28         Deprecated (previously ORCHID)
2001:20::/28         ORCHIDv2
2001:30::/28         Drone Remote ID Protocol Entity Tags
2001:db8::/32        Documentation
2002::/16            6to4
2620:4f:8000::/48    Direct Delegation AS112 Service
3fff::/20            Documentation
5f00::/16            Segment Routing (SRv6) SIDs
fc00::/7             Unique-Local
fe80::/10            Link-Local Unicast
::/96                IPv4-compatible, deprecated
fec0::/10            Site-local, deprecated
ff00::/8             Multicast
fd00:ec2::254/128    Metadata of AWS
"""
BLOCKS = [line.split(maxsplit=1) for line in (IPV4 + IPV6).splitlines() if line]
ADDRESSES = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6),
    st.integers(2**125, 2**126 - 1).map(IPv6Address),
    st.integers(0x20010000 << 96, (0x20020000 << 96) - 1).map(IPv6Address),
)


@pytest.mark.parametrize(("block", "name"), BLOCKS, ids=[block for block, _ in BLOCKS])
@pytest.mark.parametrize("loopback", [False, True])
def test_no_special_purpose_address_may_be_connected_to(
    block: str, name: str, loopback: bool
) -> None:
    network = ip_network(block)
    middle = network[network.num_addresses // 2]
    allowed = loopback and name.startswith("Loopback")
    for address in (network[0], middle, network[-1]):
        assert may_connect(address, loopback=loopback) is allowed


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0"),
        *("126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255"),
        *("172.32.0.0", "191.255.255.255", "192.0.1.0", "192.0.3.0", "192.167.255.255"),
        *("192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "168.63.129.17"),
        *("2606:4700:4700::1111", "2001:200::", "2001:db7:ffff::", "2001:db9::", "2003::"),
        *("2a05:d018::1", "3fff:1000::", "2620:4f:7fff::"),
    ],
)
def test_others_may(address: str) -> None:
    assert may_connect(ip_address(address), loopback=False)


@given(address=ADDRESSES)
def test_what_may_be_connected_to_is_global_for_python_too(
    address: IPv4Address | IPv6Address,
) -> None:
    if may_connect(address, loopback=False):
        assert address.is_global
        assert not address.is_multicast
    if isinstance(address, IPv4Address):
        hidden = [f"::ffff:{address}", f"::{address}", f"64:ff9b::{address}"]
        assert not any(may_connect(IPv6Address(each), loopback=True) for each in hidden[:1])
        assert not any(may_connect(IPv6Address(each), loopback=False) for each in hidden)
        assert not may_connect(IPv6Address(0x2002 << 112 | int(address) << 80), loopback=False)


def test_nothing_is_connected_to_in_the_networks_that_are_denied() -> None:
    denied: list[Network] = [ip_network("52.1.0.0/16"), ip_network("2a05:d018::/32")]
    for text, allowed in [
        ("52.1.0.0", False),
        ("52.1.255.255", False),
        ("52.2.0.0", True),
        ("2a05:d018::1", False),
        ("2a05:d019::1", True),
    ]:
        assert may_connect(ip_address(text), denied=denied, loopback=False) is allowed
        host = f"[{text}]" if ":" in text else text
        if not allowed:
            with pytest.raises(Invalid):
                check_url(f"https://{host}/", denied=denied, loopback=False)


def test_an_address_with_a_zone_may_not_be_connected_to() -> None:
    assert not may_connect(IPv6Address("2606:4700::1%eth0"), loopback=False)
    assert not may_connect(IPv6Address("::1%lo"), loopback=True)
    assert parsed("2606:4700::1%eth0") is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "0177.0.0.1",
            "0x7f.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "127.0.0.1.",
            " 1.1.1.1",
        ),
        *(
            "1.1.1.1 ",
            "1.1.1.1\n",
            "\uff11.1.1.1",
            "1.1.1",
            "1.1.1.1.1",
            "1.1.1.256",
            "",
            "01.1.1.1",
        ),
    ],
)
def test_tricks_are_no_addresses(text: str) -> None:
    assert parsed(text) is None


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://example.com", ("https", "example.com", 443, "/", "https://example.com")),
        ("https://example.com?a=b", ("https", "example.com", 443, "/?a=b", "https://example.com")),
        (
            "HTTPS://Hooks.Example.COM:8443/T0/B0?k=%20V",
            ("https", "hooks.example.com", 8443, "/T0/B0?k=%20V", "https://hooks.example.com:8443"),
        ),
        ("https://xn--mnchen-3ya.de/", ("https", "xn--mnchen-3ya.de", 443, "/", None)),
        ("https://1.1.1.1:443/x", ("https", "1.1.1.1", 443, "/x", "https://1.1.1.1")),
        (
            "https://[2606:4700::1111]:1/x",
            ("https", "2606:4700::1111", 1, "/x", "https://[2606:4700::1111]:1"),
        ),
        ("https://example.com:65535//a/../b", ("https", "example.com", 65535, "//a/../b", None)),
        ("https://a.b/@c:d", ("https", "a.b", 443, "/@c:d", "https://a.b")),
    ],
)
def test_a_url_s_parts_are_as_they_are_written(
    url: str, parts: tuple[str, str, int, str, str | None]
) -> None:
    place = check_url(url, loopback=False)
    assert (place.scheme, place.host, place.port, place.target) == parts[:4]
    assert parts[4] is None or place.origin == parts[4]


REFUSED = {
    "http://example.com/": "use https://",
    "ftp://example.com/": "Send https://",
    "mailto:someone@example.com": "Send https://",
    "s3://bucket/prefix": "Send https://",
    "//example.com/": "Send https://",
    "example.com": "Send https://",
    "https:/example.com": "Send https://",
    "https://": "Send https://",
    "https:///path": "Send https://",
    "https://user@example.com/": "without user",
    "https://user:secret@example.com/": "without user",
    "https://example.com:secret@evil.example/": "without user",
    "https://example.com@evil.example": "without user",
    "https://example.com/#part": "fragment",
    "https://example.com#@evil.example/": "fragment",
    "https://example.com:/": "Send https://",
    "https://example.com:0/": "port",
    "https://example.com:0443/": "port",
    "https://example.com:65536/": "port",
    f"https://example.com:{'9' * 1_000}/": "port",
    "https://example.com:-1/": "Send https://",
    "https://example.com./": "dot",
    "https://1.1.1.1./": "dot",
    "https://example..com/": "no name",
    "https://.example.com/": "no name",
    "https://-example.com/": "no name",
    "https://a_b.example.com/": "no name",
    f"https://{'a' * 64}.com/": "no name",
    f"https://{'a.' * 126}com/": "no name",
    "https://intranet/": "not a whole name",
    "https://localhost/": "not a whole name",
    "https://127.0.0.1/": "Nothing is sent",
    "https://169.254.169.254/latest/meta-data": "Nothing is sent",
    "https://[::1]/": "Nothing is sent",
    "https://[::ffff:1.1.1.1]/": "Nothing is sent",
    "https://[fd00:ec2::254]/": "Nothing is sent",
    "https://127.1/": "no IP address",
    "https://0177.0.0.1/": "no IP address",
    "https://0x7f.0.0.1/": "no IP address",
    "https://0X7F000001/": "no IP address",
    "https://2130706433/": "no IP address",
    "https://1.2.3.4.5/": "no IP address",
    "https://example.0x/": "no IP address",
    "https://[1.1.1.1]/": "no IP address",
    "https://[2606:4700::1111/": "Send https://",
    "https://2606:4700::1111/": "Send https://",
    "https://[fe80::1%25eth0]/": "Send https://",
    "https://[::1%lo]/": "Send https://",
    "https://\uff11\uff12\uff17.\uff10.\uff10.\uff11/": "characters",
    "https://\u24dbocalhost/": "characters",
    "https://münchen.de/": "xn--",
    "https://example\u3002com/": "characters",
    "https://example.com\\@evil.example/": "characters",
    "https://example.com/a b": "characters",
    "https://exam\tple.com/": "characters",
    "https://example.com/\r\nHost: evil.example": "characters",
    "https://example.com/\x00": "characters",
    " https://example.com/": "characters",
    "https://example.com/\n": "characters",
    "https://example.com/\ud800": "characters",
    f"https://example.com/{'a' * MAX_URL_CHARS}": "longer",
    "": "Send https://",
}


@pytest.mark.parametrize("url", REFUSED, ids=range(len(REFUSED)))
def test_other_urls_are_refused_in_words(url: str) -> None:
    with pytest.raises(Invalid, match=REFUSED[url]) as refused:
        check_url(url, loopback=False)
    assert [each["field"] for each in refused.value.details] == ["url"]
    assert "secret" not in str(refused.value)


def test_a_url_may_have_as_many_characters_as_the_limit_says() -> None:
    url = "https://example.com/".ljust(MAX_URL_CHARS, "a")
    assert check_url(url, loopback=False).target == url.removeprefix("https://example.com")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/", "http://localhost/", "https://[::1]/", "http://example.com/"]
)
def test_a_developer_s_machine_takes_itself_and_plain_http(url: str) -> None:
    assert check_url(url, loopback=True)


@pytest.mark.parametrize("url", ["http://10.0.0.1/", "http://169.254.169.254/", "http://127.1/"])
def test_it_takes_no_other_private_address(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url, loopback=True)


@given(text=st.text(max_size=60), loopback=st.booleans())
def test_whatever_is_sent_is_a_place_or_refused(text: str, loopback: bool) -> None:
    for url in (text, f"https://{text}", f"https://{text}.example/", f"https://a.example{text}"):
        try:
            place = check_url(url, loopback=loopback)
        except Invalid:
            continue
        assert f"{place.origin}{place.target}".isascii()
        assert check_url(f"{place.origin}{place.target}", loopback=loopback) == place
