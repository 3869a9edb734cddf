"""What the options say, as a stack may know it (`proxy.settings`)."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from interceptor.options import Options
from interceptor.proxy.settings import Settings
from interceptor.specs.routes import Routes, parse_rules
from interceptor.specs.sizes import parse_size

if TYPE_CHECKING:
    from interceptor.proxy.tls_service import TlsService


def settings_of(options: Options, tls: TlsService, *, is_replaying_servers: bool) -> Settings:
    """The options have been checked. `is_replaying_servers`: recorded responses may answer, so no server is needed early."""
    return Settings(
        upstream_tls=tls,
        wants_login=bool(options.proxyauth),
        trusting_clients=tls.trusting_clients,
        is_eager=options.connection_strategy == "eager" and not is_replaying_servers,
        rules_may_answer=bool(options.map_remote or options.map_local or options.block_list),
        upstream_cert=options.upstream_cert,
        ssl_insecure=options.ssl_insecure,
        rawtcp=options.rawtcp,
        websocket=options.websocket,
        keep_host_header=options.keep_host_header,
        validate_inbound_headers=options.validate_inbound_headers,
        http2=options.http2,
        http2_upstream=options.http2_upstream,
        http2_ping_keepalive=options.http2_ping_keepalive,
        normalize_outbound_headers=options.normalize_outbound_headers,
        ignore_hosts=tuple(options.ignore_hosts),
        show_ignored_hosts=options.show_ignored_hosts,
        allow_hosts=tuple(options.allow_hosts),
        tcp_hosts=tuple(options.tcp_hosts),
        udp_hosts=tuple(options.udp_hosts),
        raw_hosts=tuple(options.raw_hosts),
        header_size_limit=parse_size(options.header_size_limit),
        header_count_limit=options.header_count_limit,
        body_size_limit=_size(options.body_size_limit),
        stream_large_bodies=_size(options.stream_large_bodies),
        store_streamed_bodies=options.store_streamed_bodies,
        connect_timeout=options.connect_timeout,
        tls_handshake_timeout=options.tls_handshake_timeout,
        header_timeout=options.header_timeout,
        tcp_timeout=options.tcp_timeout,
        udp_timeout=options.udp_timeout,
        routes=Routes(parse_rules(options.route)),
        upstream_auth=_user_and_password(options.upstream_auth),
        proxy_protocol_from=tuple(map(ip_network, options.proxy_protocol_from)),
        proxy_protocol_to=tuple(options.proxy_protocol_to),
        proxy_protocol_version=options.proxy_protocol_version,
        upstream_auth_scheme=options.upstream_auth_scheme,
        http_connect_send_host_header=options.http_connect_send_host_header,
        strip_ech=options.strip_ech,
    )


def _size(text: str | None) -> int | None:
    return parse_size(text) if text else None


def _user_and_password(text: str | None) -> tuple[str, str] | None:
    user, colon, password = (text or "").partition(":")
    return (user, password) if colon else None
