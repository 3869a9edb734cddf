"""The proxies of the end-to-end tests."""

from tests.e2e.conftest import authority, authority_file, confdir, start_proxy

__all__ = ["authority", "authority_file", "confdir", "start_proxy"]
