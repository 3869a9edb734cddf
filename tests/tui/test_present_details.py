from __future__ import annotations

import datetime
from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from interceptor.model.connection import TlsFacts
from interceptor.model.flow import FlowError, HoldPoint
from interceptor.model.http import Headers
from interceptor.tui.present.certificates import chain
from interceptor.tui.present.changes import changes
from interceptor.tui.present.details import details
from interceptor.tui.present.paragraphs import Paragraph, plain
from interceptor.tui.present.text import line_width
from interceptor.tui.present.timing import phases, timing
from tests.tui.some_flows import START, http_flow, tcp_flow

DAY = 86400.0


def texts(paragraphs: Sequence[Paragraph]) -> list[str]:
    return [plain(paragraph.line).rstrip() for paragraph in paragraphs]


def styled(paragraphs: Sequence[Paragraph], style: str) -> list[str]:
    return [text for paragraph in paragraphs for name, text in paragraph.line if name == style]


@pytest.fixture(scope="module")
def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(0xABC)
    begin = datetime.datetime.fromtimestamp(START, datetime.UTC)
    builder = builder.not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=30))
    names = x509.SubjectAlternativeName([x509.DNSName("example.com"), x509.DNSName("www.example.com")])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.DER)


def test_a_certificate_in_words(certificate: bytes) -> None:
    shown = texts(chain([certificate], "Server certificate", START + 10 * DAY))
    assert shown[1] == "Server certificate"
    assert "Subject      CN=example.com" in shown
    assert "Issuer       itself" in shown
    assert "Names        example.com, www.example.com" in shown
    assert "Key          EC, secp256r1" in shown
    assert "Serial       abc" in shown
    assert any(line.startswith("Valid until") and line.endswith("20 days left") for line in shown)


def test_an_expired_certificate_stands_out(certificate: bytes) -> None:
    assert styled(chain([certificate], "", START + 40 * DAY), "error") == ["  expired 10 days ago"]
    assert styled(chain([certificate], "", START - 5 * DAY), "error") == ["  not yet: 5 days from now"]


def test_a_certificate_that_is_none_is_said_to_be_so(certificate: bytes) -> None:
    shown = texts(chain([certificate, b"\x30\x03\x1b[m"], "Server certificate", START))
    assert any(line.startswith("This certificate of 5 bytes cannot be parsed") for line in shown)
    assert "Server certificate  2 of 2" in shown


def test_timing_has_offsets_durations_and_bars() -> None:
    shown = texts(timing(http_flow(milliseconds=10), 80, START + 1))[2:]
    assert [line[:37].split("  ")[0] for line in shown] == ["Client connected", "Request", "Server TCP", "Waiting", "Response"]
    by_name = {line[:16].strip(): line for line in shown}
    assert "+8.0 ms     2.0 ms" in by_name["Response"]
    assert by_name["Response"].endswith("█"), "it is the last, so its bar reaches the edge"
    assert "█" in by_name["Waiting"]


def test_bars_fit_into_the_screen() -> None:
    for columns in range(1, 120):
        for paragraph in timing(http_flow(milliseconds=10), columns, START + 1):
            if plain(paragraph.line).count("█"):
                assert line_width(paragraph.line) <= columns


def test_times_out_of_all_bounds_are_drawn_too() -> None:
    """As a file may have them."""
    flow = http_flow(milliseconds=10)
    flow.request.timestamp_end = float("inf")
    assert all(line_width(paragraph.line) <= 80 for paragraph in timing(flow, 80, START + 1))


def test_a_connection_made_long_ago_is_in_the_table_without_a_bar() -> None:
    flow = http_flow()
    assert flow.client is not None
    flow.client.opened_at = START - 300
    line = next(text for text in texts(timing(flow, 100, START + 1)) if text.startswith("Client connected"))
    assert line.split() == ["Client", "connected", "−5m00s"]


def test_a_live_flow_is_still_waiting() -> None:
    flow = http_flow(status=0)
    flow.is_live, flow.ended_at = True, None
    line = next(text for text in texts(timing(flow, 100, START + 0.101)) if text.startswith("Waiting"))
    assert "100.0 ms …" in line


def test_times_that_make_no_sense_make_no_exception() -> None:
    flow = http_flow()
    assert flow.response is not None
    flow.request.timestamp_end, flow.response.timestamp_start = -5.0, float("nan")
    flow.response.timestamp_end = 1e300
    assert phases(flow)
    assert timing(flow, 100, START)


def test_changes_show_both_states() -> None:
    flow = http_flow(target=b"/old", request_fields=[(b"A", b"1"), (b"B", b"2")], request_body=b"abc")
    flow.backup()
    flow.request.path = "/new"
    flow.request.headers = Headers([(b"Host", b"example.com"), (b"a", b"9"), (b"C", b"3")])
    flow.request.set_content(b"abcdef")
    assert texts(changes(flow)) == [
        "",
        "Request changed  − as received, + as sent",
        "path            − /old",
        "                + /new",
        "A               − 1",
        "                + 9",
        "B               − 2",
        "C               + 3",
        "Content-Length  + 6",
        "body            − 3b",
        "                + 6b",
    ]


def test_no_changes() -> None:
    assert changes(http_flow()) == []
    flow = http_flow(request_body=b"abc")
    flow.backup()
    assert texts(changes(flow))[-1] == "Edited, and the same again as what was received."


def test_details_of_a_flow() -> None:
    flow = http_flow(identity=17)
    assert flow.server is not None
    flow.server.tls = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256", "example.com", (b"h2", b"http/1.1"), b"h2")
    flow.comment, flow.marker, flow.replay_of = "look here", "default", 3
    shown = texts(details(flow, 100, START + 1))
    for line in (
        "State          finished",
        "Comment        look here",
        "Marker         ●  default",
        "Id             17",
        "Replay of      flow 3",
        "Mode           regular",
        "Resolved to   192.0.2.7:443",
        "ALPN          h2  of h2, http/1.1",
        "TLS           none, in the clear",
    ):
        assert line in shown


def test_an_error_and_a_hold_come_first() -> None:
    flow = http_flow(status=0)
    flow.error = FlowError("certificate verify failed: expired. Use --ssl-insecure to go on.", START)
    assert texts(details(flow, 100, START))[0] == "Error  certificate verify failed: expired. Use --ssl-insecure to go on."
    held = http_flow(status=0)
    held.held = HoldPoint.REQUEST
    assert any("held at the request" in text for text in styled(details(held, 100, START), "held"))


def test_a_raw_conversation_counts_each_direction() -> None:
    shown = texts(details(tcp_flow((True, b"abc"), (False, b"defgh")), 100, START))
    assert "From client  3 bytes" in shown
    assert "From server  5 bytes" in shown


def test_streams_and_what_the_other_version_forbids() -> None:
    flow = http_flow()
    flow.client_stream, flow.server_stream = 5, 0
    assert flow.response is not None
    flow.response.not_sent = (b"Connection", b"Keep-Alive")
    shown = texts(details(flow, 140, START))
    assert "Streams        5 with the client" in shown
    assert "Left out       Connection, Keep-Alive of the response: the other side's HTTP has no place for it" in shown
