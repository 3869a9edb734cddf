"""Flows as the packets that might have carried them: pcapng."""
