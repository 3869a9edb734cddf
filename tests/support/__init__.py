"""Real servers, real programs and the real proxy, for the end-to-end tests. Nothing here knows how the proxy works inside."""
