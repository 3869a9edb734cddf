"""What an empty list says: where clients connect, how they come to trust us, and what a phone needs."""

from __future__ import annotations

from collections.abc import Sequence


def first_steps(addresses: Sequence[str], on_network: Sequence[tuple[str, int]], page_host: str) -> list[str]:
    """`addresses` are those that are listened on, in words; `on_network` those that other machines reach; `page_host` is the host
    name of the page with the CA certificate."""
    if not addresses:
        nothing = "Nothing is listening for clients: this is for looking at files (L loads one)."
        return ["No flows yet.", nothing, "? shows the keys."]
    lines = ["No flows yet.", f"Clients connect to {', '.join(addresses)}."]
    if on_network:
        host, port = on_network[0]
        lines += [
            f"On a phone: set the proxy of its Wi-Fi to {host} port {port},",
            f"then open http://{page_host}/ there and install the certificate.",
        ]
    else:
        lines += [
            f"For HTTPS they must trust our CA: open http://{page_host}/ through",
            "the proxy, or see `interceptor ca`.",
        ]
    return [
        *lines,
        "",
        "B  starts a browser that comes through here, if there is one",
        "L  loads flows from a file",
        "?  shows the keys",
    ]
