"""The mechanism that every layer stands on. It knows no protocol, no I/O, no event loop and no clock."""
