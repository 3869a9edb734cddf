"""What an empty list says."""

from __future__ import annotations

from interceptor.tui.present.first_steps import first_steps


def test_where_clients_connect_and_how_they_trust_us() -> None:
    text = "\n".join(first_steps(["127.0.0.1:8080"], [], "interceptor.test"))
    assert "127.0.0.1:8080" in text and "http://interceptor.test/" in text and "interceptor ca" in text
    assert "phone" not in text


def test_a_phone_is_told_the_address_that_it_reaches() -> None:
    text = "\n".join(first_steps(["*:8080"], [("192.168.1.5", 8080), ("10.0.0.1", 8080)], "interceptor.test"))
    assert "192.168.1.5 port 8080" in text and "http://interceptor.test/" in text


def test_without_a_listener_it_is_for_files() -> None:
    assert "listening" in first_steps([], [], "interceptor.test")[1]


def test_it_fits_on_a_small_screen() -> None:
    alone = first_steps(["127.0.0.1:8080"], [], "interceptor.test")
    on_network = first_steps(["*:8080"], [("192.168.100.100", 8080)], "interceptor.test")
    assert max(map(len, alone + on_network)) <= 80
