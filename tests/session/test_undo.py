"""Deeds are taken back newest first, and done again until something new is done."""

from __future__ import annotations

from interceptor.session.undo import Undo


class Text:
    """Something to change."""

    def __init__(self, undo: Undo) -> None:
        self.content, self._undo = "", undo

    def type(self, letter: str, weight: int = 0) -> None:
        before, after = self.content, self.content + letter
        self.content = after
        self._undo.push(f"type {letter}", lambda: self._set(before), lambda: self._set(after), weight=weight)

    def _set(self, content: str) -> None:
        self.content = content


def test_back_and_forth() -> None:
    undo = Undo()
    text = Text(undo)
    for letter in "abc":
        text.type(letter)
    assert (undo.undo(), text.content) == ("type c", "ab")
    assert (undo.undo(), text.content) == ("type b", "a")
    assert (undo.redo(), text.content) == ("type b", "ab")
    assert (undo.undo(), undo.undo(), text.content) == ("type b", "type a", "")
    assert undo.undo() is None
    assert [undo.redo() for _ in range(4)] == ["type a", "type b", "type c", None]
    assert text.content == "abc"


def test_a_new_deed_forgets_what_was_undone() -> None:
    undo = Undo()
    text = Text(undo)
    text.type("a")
    undo.undo()
    text.type("b")
    assert undo.redo() is None
    assert (undo.undo(), undo.undo(), text.content) == ("type b", None, "")


def test_the_oldest_deeds_are_forgotten() -> None:
    undo = Undo(limit=3)
    text = Text(undo)
    for letter in "abcde":
        text.type(letter)
    assert [undo.undo() for _ in range(4)] == ["type e", "type d", "type c", None]
    assert text.content == "ab"


def test_heavy_deeds_are_forgotten_but_never_the_newest() -> None:
    undo = Undo(weight_limit=100)
    text = Text(undo)
    for letter, weight in (("a", 60), ("b", 30), ("c", 30), ("d", 500)):
        text.type(letter, weight)
        if letter == "c":
            assert [undo.undo(), undo.undo(), undo.undo()] == ["type c", "type b", None]
            assert [undo.redo(), undo.redo()] == ["type b", "type c"]
    assert [undo.undo(), undo.undo()] == ["type d", None]
    text.type("e", 60)  # what was undone weighs no more
    text.type("f", 40)
    assert [undo.undo(), undo.undo()] == ["type f", "type e"]


def test_a_deed_that_cannot_be_taken_back_is_forgotten() -> None:
    def fail() -> None:
        raise RuntimeError("gone")

    undo = Undo()
    undo.push("first", lambda: None, lambda: None)
    undo.push("second", fail, fail)
    try:
        undo.undo()
    except RuntimeError:
        pass
    else:
        raise AssertionError("it should have said so")
    assert undo.undo() == "first"
