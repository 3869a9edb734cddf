"""Datagrams as scripts see them: a conversation like that of `tcp`, each message of which is one datagram."""

from __future__ import annotations

from interceptor.script.tcp import TCPFlow, TCPMessage


class UDPMessage(TCPMessage):
    """One datagram."""


class UDPFlow(TCPFlow):
    """A conversation of datagrams."""
