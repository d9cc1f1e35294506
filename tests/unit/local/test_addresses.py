"""Ports that stay ours."""

import socket
import sys

import pytest

from tocsin.local.addresses import LOOPBACK, reserve


def test_a_port_that_somebody_listens_on_cannot_be_reserved() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken, pytest.raises(OSError, match="in use"):
        reserve(taken.getsockname()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a reservation would be in the way")
def test_a_server_can_listen_on_a_reserved_port_and_come_back() -> None:
    with reserve(0) as held:
        address = held.getsockname()
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            with (
                socket.create_server(address),
                socket.create_connection(address) as connection,
            ):
                assert connection.getpeername() == address
