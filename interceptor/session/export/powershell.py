"""A request as a PowerShell script, for Windows PowerShell 5.1 and for PowerShell 7.

It uses .NET's HttpClient, not Invoke-WebRequest: that refuses or changes many fields (Host, Connection, several of one name), and
has no way to send a method of one's own in 5.1. Values that are not printable ASCII are refused, since HttpClient does not send
them; bodies may be any bytes. Redirects are not followed.
"""

from __future__ import annotations

from typing import Final

from interceptor.model.flow import Flow
from interceptor.options import Options
from interceptor.session.export.literals import check_length, is_printable, powershell, powershell_bytes
from interceptor.session.export.outgoing import Outgoing, outgoing
from interceptor.specs.errors import UserError

_OF_CONTENT: Final = frozenset(
    b"allow content-disposition content-encoding content-language content-location content-md5 content-range content-type "
    b"expires last-modified".split()
)
"""Fields that .NET keeps with the body; anywhere else they are dropped without a word."""


def power_shell(flow: Flow, options: Options) -> str:
    """UserError if it cannot be said to PowerShell."""
    request = outgoing(flow)
    _check(request)
    method, url = powershell(request.method.encode()), powershell(request.url.encode())
    of_content = [field for field in request.fields if field[0].lower() in _OF_CONTENT]
    lines = [
        "Add-Type -AssemblyName System.Net.Http",
        "$handler = New-Object System.Net.Http.HttpClientHandler",
        "$handler.AllowAutoRedirect = $false",
        "$handler.UseCookies = $false",
        "$client = New-Object System.Net.Http.HttpClient -ArgumentList $handler",
        "$request = New-Object System.Net.Http.HttpRequestMessage",
        f"$request.Method = New-Object System.Net.Http.HttpMethod -ArgumentList {method}",
        f"$request.RequestUri = [Uri]{url}",
    ]
    if request.is_framed or of_content:
        lines.append(f"[byte[]]$body = {powershell_bytes(request.body)}")
        lines.append("$request.Content = New-Object System.Net.Http.ByteArrayContent -ArgumentList @(,$body)")
    if request.is_chunked:
        lines.append("$request.Headers.TransferEncodingChunked = $true")
    for name, value in request.fields:
        lower = name.lower()
        if lower == b"transfer-encoding" or (lower == b"host" and request.host_fields == [request.authority.encode()]):
            continue
        owner = "$request.Content.Headers" if lower in _OF_CONTENT else "$request.Headers"
        lines.append(f"[void]{owner}.TryAddWithoutValidation({powershell(name)}, {powershell(value)})")
    lines += [
        "$response = $client.SendAsync($request).GetAwaiter().GetResult()",
        "[int]$response.StatusCode",
        "$response.Content.ReadAsStringAsync().GetAwaiter().GetResult()",
    ]
    return "\n".join(lines)


def _check(request: Outgoing) -> None:
    check_length(request.body)
    if request.target == b"*":
        raise UserError("PowerShell cannot be told to ask for *; curl can")
    if request.has_dot_segments:
        raise UserError("PowerShell takes dot segments out of the path; curl keeps them")
    for name, value in request.fields:
        if not is_printable(value):
            raise UserError(f"PowerShell cannot be told the value of {name.decode()}: it is not plain ASCII; curl can")
