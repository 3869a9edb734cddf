"""Who must log in, how we ask, and what is left of the credentials in the request that goes on."""

from __future__ import annotations

import base64
import gc
from pathlib import Path

import bcrypt
import pytest

from interceptor.addons import htpasswd
from interceptor.addons.htpasswd import HtpasswdFile
from interceptor.addons.proxyauth import ProxyAuth
from interceptor.model.connection import Connection, Side, StreamConnection
from interceptor.model.flow import HttpFlow
from interceptor.model.hooks import Kill, Respond
from interceptor.model.http import Headers, Request
from interceptor.options import Options
from interceptor.specs.errors import UserError

SHA_OF_SECRET = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
BCRYPT_OF_SECRET = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def auth(spec: str | None) -> ProxyAuth:
    options = Options()
    options.update(proxyauth=spec)
    return ProxyAuth(options, wall_clock=lambda: 5.0)


def client() -> Connection:
    return Connection(Side.CLIENT, peer=("192.168.1.7", 50_000))


def basic(credentials: str | bytes) -> bytes:
    raw = credentials if isinstance(credentials, bytes) else credentials.encode()
    return b"Basic " + base64.b64encode(raw)


def request(
    credentials: bytes | None = None, *, mode: str = "regular", name: bytes = b"Proxy-Authorization", by: Connection | None = None
) -> HttpFlow:
    fields = [(b"Host", b"example.com")] + ([(name, credentials)] if credentials is not None else [])
    sent = Request("GET", "http", "example.com", 80, b"/", headers=Headers(fields))
    return HttpFlow(1, client=by or client(), mode=mode, request=sent)


def asked(verdict: Respond | None) -> tuple[int, str | None, str | None] | None:
    if verdict is None:
        return None
    headers = verdict.response.headers
    return verdict.response.status_code, headers.get("proxy-authenticate"), headers.get("www-authenticate")


ASKED_AS_PROXY = (407, 'Basic realm="interceptor"', None)
ASKED_AS_SERVER = (401, None, 'Basic realm="interceptor"')


def test_without_the_option_nobody_is_asked() -> None:
    flow = request(basic("a:b"))
    assert auth(None).requestheaders(flow) is None
    assert "proxy-authorization" in flow.request.headers


@pytest.mark.parametrize(
    "credentials",
    [None, b"", b"Basic", b"Basic ???", b"Basic \xff", b"Bearer dTpw"]
    + [basic(wrong) for wrong in ("u", "u:", "u:P", "x:p", ":u:p", "u:p:")],
)
def test_anything_but_the_right_credentials_is_asked_again(credentials: bytes | None) -> None:
    assert asked(auth("u:p").requestheaders(request(credentials))) == ASKED_AS_PROXY


def test_a_refusal_can_be_sent_as_it_is() -> None:
    verdict = auth("u:p").requestheaders(request())
    assert verdict is not None
    response = verdict.response
    assert response.headers["content-length"] == str(response.body.size)
    assert response.timestamp_end == 5.0


def test_right_credentials_are_taken_out_and_named() -> None:
    flow = request(basic("u:p"))
    assert auth("u:p").requestheaders(flow) is None
    assert flow.request.headers.fields == [(b"Host", b"example.com")]
    assert flow.metadata["proxyauth"] == "u"


def test_a_password_may_contain_colons_and_any_letters() -> None:
    assert auth("u:p:q:").requestheaders(request(basic("u:p:q:"))) is None
    assert auth("ü:ß").requestheaders(request(basic("ü:ß"))) is None
    assert auth("ü:ß").requestheaders(request(basic("ü:ß".encode("latin-1")))) is None


def test_the_scheme_is_read_without_regard_to_case() -> None:
    assert auth("u:p").requestheaders(request(b"bAsIc  " + base64.b64encode(b"u:p"))) is None


def test_two_authorizations_are_none() -> None:
    flow = request(basic("u:p"))
    flow.request.headers.add("Proxy-Authorization", basic("u:p"))
    assert asked(auth("u:p").requestheaders(flow)) == ASKED_AS_PROXY


def test_any_takes_all_credentials_but_not_none() -> None:
    assert auth("any").requestheaders(request(basic("who:ever"))) is None
    assert asked(auth("any").requestheaders(request())) == ASKED_AS_PROXY


@pytest.mark.parametrize("mode", ["reverse:https://example.com", "reverse:http://localhost:3000@9000", "transparent"])
def test_where_we_are_not_known_as_a_proxy_we_ask_as_a_server(mode: str) -> None:
    addon = auth("u:p")
    assert asked(addon.requestheaders(request(basic("u:p"), mode=mode))) == ASKED_AS_SERVER
    flow = request(basic("u:p"), mode=mode, name=b"Authorization")
    assert addon.requestheaders(flow) is None
    assert "authorization" not in flow.request.headers


def test_as_a_proxy_the_servers_own_credentials_are_left_alone() -> None:
    flow = request(basic("u:p"))
    flow.request.headers.add("Authorization", "Basic for-the-server")
    assert auth("u:p").requestheaders(flow) is None
    assert flow.request.headers["authorization"] == "Basic for-the-server"


def test_after_a_connect_the_connection_is_known_also_by_its_streams() -> None:
    addon, connection = auth("u:p"), client()
    assert asked(addon.http_connect(request(by=connection))) == ASKED_AS_PROXY
    assert asked(addon.requestheaders(request(by=connection))) == ASKED_AS_PROXY
    assert addon.http_connect(request(basic("u:p"), by=connection)) is None
    assert addon.requestheaders(request(by=connection)) is None
    stream = StreamConnection(Side.CLIENT, parent=connection, stream_id=3)
    assert addon.requestheaders(request(by=StreamConnection(Side.CLIENT, parent=stream))) is None
    assert asked(addon.requestheaders(request(by=client()))) == ASKED_AS_PROXY


def test_a_plain_request_logs_in_nobody_but_itself() -> None:
    addon, connection = auth("u:p"), client()
    assert addon.requestheaders(request(basic("u:p"), by=connection)) is None
    assert asked(addon.requestheaders(request(by=connection))) == ASKED_AS_PROXY


def test_connections_are_not_kept_alive() -> None:
    addon = auth("u:p")
    assert addon.http_connect(request(basic("u:p"))) is None
    gc.collect()
    assert len(addon._known) == 0


def test_our_own_requests_are_not_asked() -> None:
    flow = request()
    flow.client = None
    assert auth("u:p").requestheaders(flow) is None


def test_a_changed_option_applies_at_once_and_forgets_who_had_logged_in() -> None:
    options = Options()
    addon, connection = ProxyAuth(options), client()
    assert addon.requestheaders(request()) is None
    options.update(proxyauth="u:p")
    assert addon.http_connect(request(basic("u:p"), by=connection)) is None
    options.update(proxyauth="u:q")
    assert asked(addon.requestheaders(request(by=connection))) == ASKED_AS_PROXY


@pytest.mark.parametrize("spec", ["user", ":password", "ldap:ldap.example.com:cn=x", "@/nowhere/to/be/found"])
def test_what_cannot_work_is_refused_when_it_is_set(spec: str) -> None:
    options = Options()
    addon = ProxyAuth(options)
    with pytest.raises(UserError):
        options.update(proxyauth=spec)
    assert options.proxyauth is None
    assert addon.requestheaders(request()) is None


# --- password files


def test_a_password_file(tmp_path: Path) -> None:
    file = tmp_path / "users"
    file.write_text(f"# who may\n\nann:{SHA_OF_SECRET}\nbob:{BCRYPT_OF_SECRET}\n")
    addon = auth(f"@{file}")
    for user in ("ann", "bob"):
        assert addon.requestheaders(request(basic(f"{user}:secret"))) is None
        assert asked(addon.requestheaders(request(basic(f"{user}:Secret")))) == ASKED_AS_PROXY
    assert asked(addon.requestheaders(request(basic("eve:secret")))) == ASKED_AS_PROXY


def test_bcrypt_as_apache_writes_it_and_long_passwords(tmp_path: Path) -> None:
    file = tmp_path / "users"
    long = "x" * 100
    hashed = bcrypt.hashpw(long.encode()[:72], bcrypt.gensalt(4)).decode()
    file.write_text(f"bob:{hashed.replace('$2b$', '$2y$')}\n")
    assert HtpasswdFile(file).is_right("bob", long, "")
    assert not HtpasswdFile(file).is_right("bob", "y" * 100, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("ann:$apr1$abcdefgh$0123456789012345678901\n", "neither bcrypt nor {SHA}"),
        ("ann:plain\n", "neither bcrypt nor {SHA}"),
        ("ann:{SHA}short\n", "damaged"),
        ("ann:$2b$04$short\n", "damaged"),
        ("ann\n", "user:hash"),
        ("# nobody\n", "no users"),
    ],
)
def test_a_file_with_what_is_not_understood_is_refused(tmp_path: Path, content: str, said: str) -> None:
    file = tmp_path / "users"
    file.write_text(content)
    with pytest.raises(UserError, match=said):
        HtpasswdFile(file)


class CountedBcrypt:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        monkeypatch.setattr(htpasswd, "_is_bcrypt", self)

    def __call__(self, stored: str, password: str) -> bool:
        self.count += 1
        return password == "secret"


def test_each_login_is_verified_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "users"
    file.write_text(f"bob:{BCRYPT_OF_SECRET}\n")
    users, verified = HtpasswdFile(file, clock=lambda: 0.0), CountedBcrypt(monkeypatch)
    for _ in range(50):
        assert users.is_right("bob", "secret", "192.168.1.7")
        assert not users.is_right("bob", "wrong", "192.168.1.7")
    assert verified.count == 2


def test_guessing_is_slowed_down_by_address_and_goes_on_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "users"
    file.write_text(f"bob:{BCRYPT_OF_SECRET}\n")
    now = 0.0
    users, verified = HtpasswdFile(file, clock=lambda: now), CountedBcrypt(monkeypatch)
    for number in range(100):
        assert not users.is_right("bob", f"guess {number}", "192.168.1.66")
    assert verified.count == 5
    assert users.is_right("bob", "secret", "192.168.1.7")  # from elsewhere
    assert users.is_right("bob", "secret", "192.168.1.66")  # what was verified needs no guess
    now = 2.0
    for number in range(100, 200):
        users.is_right("bob", f"guess {number}", "192.168.1.66")
    assert verified.count == 8


def test_what_is_remembered_is_bounded_and_logins_outlast_guesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "users"
    file.write_text(f"bob:{BCRYPT_OF_SECRET}\n")
    monkeypatch.setattr(htpasswd, "_REMEMBERED", 10)
    users, verified = HtpasswdFile(file, clock=lambda: 0.0), CountedBcrypt(monkeypatch)
    assert users.is_right("bob", "secret", "here")
    for number in range(40):
        users.is_right("bob", f"guess {number}", f"10.0.0.{number}")
    assert len(users._verdicts) == 10
    before = verified.count
    assert users.is_right("bob", "secret", "here")
    assert verified.count == before


def test_nobody_is_asked_while_no_login_is_wanted() -> None:
    options = Options()
    addon = ProxyAuth(options)
    assert addon.hooks == ()
    options.update(proxyauth="any")
    assert set(addon.hooks) == {"socks5_auth", "http_connect", "requestheaders"}


def test_who_logs_in_by_socks_is_known_by_its_connection() -> None:
    addon, connection = auth("me:pw"), client()
    assert isinstance(addon.socks5_auth(connection, "me", "wrong"), Kill)
    flow = request()
    flow.client = connection
    assert asked(addon.requestheaders(flow)) is not None
    assert addon.socks5_auth(connection, "me", "pw") is None
    assert addon.requestheaders(flow) is None
