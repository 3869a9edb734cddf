"""The rules, in the order in which they decide about a request or a response.

    anticache, anticomp ─▸ map_remote ─▸ map_local ─▸ modify_headers ─▸ modify_body ─▸ stickyauth, stickycookie
                                                        ─▸ block_list ─▸ server replay ─▸ upstream_auth

So a rule sees what the ones before it have made of a message, and what is matched by a replay is what would be sent. The first
that answers a request ends the round; its response goes through the rules for responses like any other. What needs the body of a
message decides after all that can decide at its head.
"""

from __future__ import annotations

from collections.abc import Sequence

from interceptor.addons.block_list import BlockList
from interceptor.addons.map_local import MapLocal
from interceptor.addons.map_remote import MapRemote
from interceptor.addons.modify_body import ModifyBody
from interceptor.addons.modify_headers import ModifyHeaders
from interceptor.addons.request_fields import Anticache, Anticomp, UpstreamAuth
from interceptor.addons.server_replay import ServerReplay
from interceptor.addons.sticky import StickyAuth, StickyCookie
from interceptor.options import Options


def rule_addons(options: Options, server_replay: ServerReplay) -> Sequence[object]:
    """For `Place.RULES`, in this order. They follow the options by themselves; the chain is to be refreshed when those change.
    UserError if an option cannot be honoured."""
    return (
        Anticache(options),
        Anticomp(options),
        MapRemote(options),
        MapLocal(options),
        ModifyHeaders(options),
        ModifyBody(options),
        StickyAuth(options),
        StickyCookie(options),
        BlockList(options),
        server_replay,
        UpstreamAuth(options),
    )
