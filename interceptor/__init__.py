"""interceptor: an interactive intercepting proxy for the terminal."""

__version__ = "0.1.0"
