import ipaddress
import socket

import pytest

from finery.kit.destinations import Destinations

NOWHERE = Destinations()


class TestRefusal:
    @pytest.mark.parametrize(
        ("address", "word"),
        [
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("10.0.0.1", "private"),
            ("10.255.255.255", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("100.64.0.1", "private"),
            ("169.254.169.254", "link-local"),
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "unspecified"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.250", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "reserved"),
            ("192.0.2.1", "reserved"),
            ("198.18.0.1", "reserved"),
            ("::1", "loopback"),
            ("::", "unspecified"),
            ("fc00::1", "private"),
            ("fdff:ffff::1", "private"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("fe80::1%eth0", "link-local"),
            ("ff02::1", "multicast"),
            ("::ffff:127.0.0.1", "an IPv4 address in IPv6"),
            ("::ffff:8.8.8.8", "an IPv4 address in IPv6"),
            ("::ffff:7f00:1", "an IPv4 address in IPv6"),
            ("::127.0.0.1", "reserved"),
            ("64:ff9b::7f00:1", "an IPv4 address in IPv6"),
            ("64:ff9b:1::a00:1", "an IPv4 address in IPv6"),
            ("2002:7f00:1::1", "an IPv4 address in IPv6"),
            ("2001:0:4136:e378::1", "reserved"),
            ("2001:db8::1", "reserved"),
            ("4000::1", "reserved"),
            ("fec0::1", "reserved"),
            ("localhost", "no address"),
            ("", "no address"),
        ],
    )
    def test_is_refused(self, address: str, word: str) -> None:
        assert NOWHERE.refusal(address) == word

    @pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
    def test_the_internet_is_not(self, address: str) -> None:
        assert NOWHERE.refusal(address) is None

    def test_what_is_allowed(self) -> None:
        some = Destinations.parse(["10.1.0.0/16", " 127.0.0.1", "fd00::/8"])
        assert [some.refusal(each) for each in ("10.1.2.3", "127.0.0.1", "fd00::1")] == [None, None, None]
        assert [some.refusal(each) for each in ("10.2.0.1", "127.0.0.2", "fc00::1", "::ffff:127.0.0.1")] == [
            "private",
            "loopback",
            "private",
            "an IPv4 address in IPv6",
        ]

    def test_no_less_than_python_knows(self) -> None:
        """Whatever Python calls private is refused here too."""
        known = [*ipaddress._IPv4Constants._private_networks, *ipaddress._IPv6Constants._private_networks]  # type: ignore[attr-defined]
        assert [network for network in known if NOWHERE.refusal(str(network[0])) is None] == []


class TestRefusalOfHost:
    @pytest.mark.parametrize(
        "host",
        [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "::1",
            "0",
        ],
    )
    def test_every_form_of_this_machine(self, host: str) -> None:
        assert NOWHERE.refusal_of_host(host) in ("loopback", "unspecified")

    def test_a_name_is_not_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = socket.getaddrinfo

        def numeric_only(*args: object, **options: object) -> object:
            assert options["flags"] == socket.AI_NUMERICHOST
            return asked(*args, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(socket, "getaddrinfo", numeric_only)
        assert NOWHERE.refusal_of_host("hooks.example.org") is None
        assert NOWHERE.refusal_of_host("notlocalhost") is None
        assert NOWHERE.refusal_of_host("8.8.8.8") is None
        assert NOWHERE.refusal_of_host("x" * 300) is None
