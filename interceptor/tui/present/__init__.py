"""Flows as rows, columns and styled text. Pure: no urwid, no I/O, no clock but the one that is passed in."""
