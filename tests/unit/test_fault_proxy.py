# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy of the fault tests does what it says, or those tests prove nothing."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest
from fault_proxy import KINDS, Fault, FaultProxy, always, at_random, only

DATA = bytes(range(256)) * 2000


@pytest.fixture
def server():
    """Sends back what it gets, to the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        received = []

        def serve(one):
            found = b""
            with one:
                try:
                    while True:
                        piece = one.recv(65536)
                        if not piece:
                            break
                        found += piece
                        one.sendall(piece)
                except OSError:
                    pass
            received.append(found)

        def accept():
            while True:
                try:
                    one, _address = listener.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(one,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname(), received
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def talk(address, timeout=30.0):
    """Send DATA; return what came back and how it ended."""
    found = b""
    refused = []
    try:
        one = socket.create_connection(address, timeout)
    except ConnectionError:
        return b"", "reset"
    with one:

        def send():
            try:
                one.sendall(DATA)
                one.shutdown(socket.SHUT_WR)
            except ConnectionError as error:
                refused.append(error)
            except OSError:
                pass

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            while True:
                piece = one.recv(65536)
                if not piece:
                    end = "end"
                    break
                found += piece
        except TimeoutError:
            end = "timeout"
        except OSError:
            end = "reset"
        finally:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            sender.join()
    # The system tells of a reset once, to whoever asks first.
    return found, "reset" if end == "end" and refused else end


def test_nothing_happens_by_itself(server):
    with FaultProxy(server[0]) as proxy:
        assert talk(proxy.address) == (DATA, "end")
        assert proxy.connections == 1
        assert set(proxy.happened.values()) == {0}


@pytest.mark.parametrize("up", [True, False])
@pytest.mark.parametrize(("kind", "end"), [("cut", "reset"), ("truncate", "end"), ("stall", "timeout")])
def test_a_connection_ends_early(server, kind, end, up):
    with FaultProxy(server[0], only(0, Fault(kind, 100_000, up))) as proxy:
        found, how = talk(proxy.address, 1.0)
        # A reset may also take from the client what had arrived.
        assert found == DATA[: len(found)]
        assert len(found) <= 100_000
        assert how == end
        assert proxy.happened[kind] == 1
        assert talk(proxy.address) == (DATA, "end")


@pytest.mark.parametrize("up", [True, False])
def test_a_bit_is_changed(server, up):
    with FaultProxy(server[0], always(Fault("corrupt", 100_001, up))) as proxy:
        found, end = talk(proxy.address)
    assert end == "end"
    assert [n for n, (one, other) in enumerate(zip(found, DATA)) if one != other] == [100_001]
    assert len(found) == len(DATA)


def test_a_delay(server):
    with FaultProxy(server[0], always(Fault("delay", 0, True, 0.001)), latency=0.001) as proxy:
        assert talk(proxy.address) == (DATA, "end")
        assert proxy.happened["delay"] == 1


def test_a_server_that_is_gone():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with FaultProxy(address) as proxy:
        assert talk(proxy.address) == (b"", "reset")


def test_the_same_seed_is_the_same_plan():
    plans = [[at_random(seed, 0.5, 1 << 20)(number) for number in range(200)] for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]
    faults = [fault for fault in plans[0] if fault]
    assert 60 < len(faults) < 140
    assert {fault.kind for fault in faults} == set(KINDS)
