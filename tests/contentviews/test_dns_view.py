"""DNS messages: shown, edited, written back."""

from __future__ import annotations

import dns.edns
import dns.message
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interceptor.contentviews.dns_view import dns_text, read_dns, show_dns
from interceptor.contentviews.rendered import NotThisView, text_of
from interceptor.specs.errors import UserError
from tests.support.effort import examples


def answer() -> bytes:
    query = dns.message.make_query("example.com", "A", use_edns=0, options=[dns.edns.ECSOption("192.0.2.0", 24)])
    query.id = 7
    response = dns.message.make_response(query)
    response.use_edns(0, options=[dns.edns.ECSOption("192.0.2.0", 24)])
    response.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "A", "192.0.2.1"))
    response.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "A", "192.0.2.2"))
    response.answer.append(dns.rrset.from_text("example.com.", 60, "IN", "TXT", '"a \\027 b"'))
    return bytes(response.to_wire())


def test_shown() -> None:
    shown = show_dns(answer())
    lines = [text_of(line) for line in shown.lines]
    assert lines[0] == "id 7"
    assert ";QUESTION" in lines and "example.com. 60 IN A 192.0.2.2" in lines
    assert ("keyword", " A") in shown.lines[lines.index("example.com. 60 IN A 192.0.2.2")]


def test_an_edit_keeps_the_rest_and_the_options() -> None:
    again = read_dns(dns_text(answer()).replace("192.0.2.1", "192.0.2.9"), answer())
    assert again == answer().replace(bytes([192, 0, 2, 1]), bytes([192, 0, 2, 9]))


@pytest.mark.parametrize("wrong", ["example.com. 60 IN A 192.0.2", "example.com. 60 IN NONSENSE x", "example.com. 60 IN A"])
def test_mistakes_name_their_line(wrong: str) -> None:
    edited = dns_text(answer()).replace("example.com. 60 IN A 192.0.2.2", wrong)
    line = edited.split("\n").index(wrong) + 1
    with pytest.raises(UserError, match=f"^line {line}: "):
        read_dns(edited, answer())


def test_too_short_and_too_long() -> None:
    for body in (b"", bytes(11), bytes(70_000)):
        with pytest.raises(NotThisView, match="not a DNS message"):
            show_dns(body)


@examples(200)
@given(st.binary(max_size=60), st.integers(0, 200))
def test_broken_messages_do_not_fail(noise: bytes, place: int) -> None:
    body = answer()
    for broken in (body[:place] + noise + body[place:], body[:place] + noise + body[place + len(noise) :], noise):
        try:
            show_dns(broken)
        except NotThisView:
            continue


@examples(100)
@given(st.text(max_size=60), st.integers(0, 300))
def test_any_text_is_a_message_or_a_mistake(noise: str, place: int) -> None:
    text = dns_text(answer())
    try:
        read_dns(text[:place] + noise + text[place:], answer())
    except UserError as error:
        assert error.message.startswith("line ")
