# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a connection ends, and what of that the other side learns.

nginx keeps a tunnel only as long as both of its connections are whole. When either side has said that nothing more will
come from it, nginx passes on what came before and closes both, and what is still on its way to that side is lost
(ngx_http_upstream_process_upgraded in nginx's src/http/ngx_http_upstream.c; no directive changes that). It passes a
reset on as a close. WebSockets have no use for a connection that is closed on one side: they say so in a close frame,
and TCP's own end comes after it (RFC 6455, section 7.1.1). So these differences are asserted here, each beside what
goes on past nginx.
"""

from __future__ import annotations

import pytest
from gateway import Gateway
from tunnel import CLOSE, FIN, RST, TEXT, Backend, End, Tunnel, frame, masked

GOODBYE = b"\x03\xe8bye"
# More than a buffer of nginx, and less than all buffers of the kernels on the way.
LAST_WORDS = b"x" * 100_000
# More than they hold.
FLOOD = b"x" * 64 * 2**20


def wait_for_refusal(end: End) -> None:
    """Send until nobody takes it any more: a kernel learns that from the answer to what it has sent."""
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        for _attempt in range(10_000):
            end.send(b"?" * 1000)


def test_a_closing_handshake_ends_with_the_backend_closing_first(tunnel: Tunnel) -> None:
    asked, answered = masked(CLOSE, GOODBYE), frame(CLOSE, GOODBYE)
    tunnel.client.send(asked)
    assert tunnel.backend.receive(len(asked)) == asked
    tunnel.backend.send(answered)
    tunnel.backend.close()
    assert tunnel.client.receive_rest() == (answered, FIN)


def test_a_backend_that_closes_without_a_close_frame(tunnel: Tunnel) -> None:
    tunnel.backend.send(frame(TEXT, b"last words"))
    tunnel.backend.close()
    assert tunnel.client.receive_rest() == (frame(TEXT, b"last words"), FIN)


def test_a_client_that_closes_without_a_close_frame(tunnel: Tunnel) -> None:
    tunnel.client.send(masked(TEXT, b"last words"))
    tunnel.client.close()
    assert tunnel.backend.receive_rest() == (masked(TEXT, b"last words"), FIN)


def test_the_last_words_of_a_backend_arrive_whole(tunnel: Tunnel) -> None:
    tunnel.backend.send(LAST_WORDS)
    tunnel.backend.close()
    assert tunnel.client.receive_rest() == (LAST_WORDS, FIN)


def test_the_last_words_of_a_client_arrive_whole(tunnel: Tunnel) -> None:
    tunnel.client.send(LAST_WORDS)
    tunnel.client.close()
    assert tunnel.backend.receive_rest() == (LAST_WORDS, FIN)


def test_a_close_in_the_middle_of_a_frame_brings_what_there_was_of_it(tunnel: Tunnel) -> None:
    torn = frame(TEXT, b"unfinished")[:-3]
    tunnel.backend.send(torn)
    tunnel.backend.close()
    assert tunnel.client.receive_rest() == (torn, FIN)


def test_past_nginx_a_lost_connection_is_a_reset(direct: Gateway, backend: Backend) -> None:
    by_client = backend.open_tunnel(direct)
    by_client.client.reset()
    assert by_client.backend.receive_rest() == (b"", RST)
    by_backend = backend.open_tunnel(direct)
    by_backend.backend.reset()
    assert by_backend.client.receive_rest() == (b"", RST)


def test_nginx_passes_a_lost_connection_on_as_one_that_was_closed(gateway: Gateway, backend: Backend) -> None:
    """Both sides see an end without a close frame, which is 1006 to them either way: RFC 6455, section 7.1.5."""
    by_client = backend.open_tunnel(gateway)
    by_client.client.reset()
    assert by_client.backend.receive_rest() == (b"", FIN)
    by_backend = backend.open_tunnel(gateway)
    by_backend.backend.reset()
    assert by_backend.client.receive_rest() == (b"", FIN)


def test_past_nginx_a_half_closed_client_still_hears(direct: Gateway, backend: Backend) -> None:
    tunnel = backend.open_tunnel(direct)
    tunnel.client.send(masked(TEXT, b"that is all"))
    tunnel.client.end_sending()
    assert tunnel.backend.receive_rest() == (masked(TEXT, b"that is all"), FIN)
    tunnel.backend.send(frame(TEXT, b"heard"))
    tunnel.backend.close()
    assert tunnel.client.receive_rest() == (frame(TEXT, b"heard"), FIN)


def test_nginx_ends_the_tunnel_of_a_half_closed_client(gateway: Gateway, backend: Backend) -> None:
    """What the client has sent arrives whole, and nothing comes back."""
    tunnel = backend.open_tunnel(gateway)
    tunnel.client.send(masked(TEXT, b"that is all"))
    tunnel.client.end_sending()
    assert tunnel.backend.receive_rest() == (masked(TEXT, b"that is all"), FIN)
    wait_for_refusal(tunnel.backend)
    assert tunnel.client.receive_rest() == (b"", FIN)


def test_past_nginx_a_half_closed_backend_still_hears(direct: Gateway, backend: Backend) -> None:
    tunnel = backend.open_tunnel(direct)
    tunnel.backend.send(frame(TEXT, b"that is all"))
    tunnel.backend.end_sending()
    assert tunnel.client.receive_rest() == (frame(TEXT, b"that is all"), FIN)
    tunnel.client.send(masked(TEXT, b"heard"))
    tunnel.client.close()
    assert tunnel.backend.receive_rest() == (masked(TEXT, b"heard"), FIN)


def test_nginx_ends_the_tunnel_of_a_half_closed_backend(gateway: Gateway, backend: Backend) -> None:
    """What the backend has sent arrives whole, and nothing comes back."""
    tunnel = backend.open_tunnel(gateway)
    tunnel.backend.send(frame(TEXT, b"that is all"))
    tunnel.backend.end_sending()
    assert tunnel.client.receive_rest() == (frame(TEXT, b"that is all"), FIN)
    assert tunnel.backend.receive_rest() == (b"", FIN)
    wait_for_refusal(tunnel.client)


def test_past_nginx_a_half_closed_client_hears_what_was_on_its_way(direct: Gateway, backend: Backend) -> None:
    tunnel = backend.open_tunnel(direct)
    sent = tunnel.backend.send_until_held_back(FLOOD)
    tunnel.client.end_sending()
    tunnel.backend.close()
    received, end = tunnel.client.receive_rest()
    assert (len(received), end) == (sent, FIN)


def test_nginx_drops_what_was_on_its_way_to_a_half_closed_client(gateway: Gateway, backend: Backend) -> None:
    """A client that wants to hear the rest sends a close frame and waits for the answer."""
    tunnel = backend.open_tunnel(gateway)
    sent = tunnel.backend.send_until_held_back(FLOOD)
    tunnel.client.end_sending()
    assert tunnel.backend.receive_rest()[0] == b""
    received, end = tunnel.client.receive_rest()
    assert (len(received) < sent, end) == (True, FIN)
