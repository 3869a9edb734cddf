"""Which key runs which command on which screen.

    (context of the screen, key) ─▸ Binding ─▸ its command line

A key is looked up in the screen's own context, then among the common ones, then globally. `keys.yaml` in the configuration
folder adds bindings or replaces them; it has mitmproxy's format:

    - key: ctrl e
      cmd: flow.resume @all          # lines of a longer one are joined
      ctx: [flowlist, flowview]      # "context" is understood, too; global if there is none
      help: Let everything go
    - key: z
      cmd: ''                        # does nothing any more
      ctx: [flowlist]
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from interceptor.specs.errors import UserError

CONTEXTS: Final = {
    "global": "everywhere",
    "commonkey": "everywhere, and known to every list",
    "flowlist": "the list of flows",
    "flowview": "one flow",
    "diff": "two flows compared",
    "eventlog": "the event log",
    "help": "the help",
    "grideditor": "the editor of headers, queries, forms",
    "texteditor": "the editor of bodies",
    "options": "the options",
    "commands": "the list of commands",
    "keybindings": "the key bindings",
    "search": "the search in all flows",
    "sessions": "the sessions",
}


@dataclass(frozen=True, slots=True)
class Binding:
    key: str
    command: str
    contexts: tuple[str, ...]
    help: str = ""


_EXPORT: Final = 'console.choose.cmd "Export as…" export.formats console.command export.file {choice} @focus ""'


def _defaults() -> Iterable[Binding]:
    flows = ("flowlist", "flowview")
    everywhere = ("global",)
    common = ("commonkey", "global")
    searchable = ("flowview", "diff", "eventlog", "help", "options", "commands", "keybindings", "sessions")
    yield from (
        Binding(":", "console.command", common, "Command prompt"),
        Binding("?", "console.view.help", everywhere, "Help for this screen"),
        Binding("E", "console.view.eventlog", common, "Event log"),
        Binding("B", "browser.start", everywhere, "Start a browser that comes through here"),
        Binding("O", "console.view.options", common, "Options"),
        Binding("C", "console.view.commands", everywhere, "Commands"),
        Binding("K", "console.view.keybindings", everywhere, "Key bindings"),
        Binding("-", "console.layout.cycle", everywhere, "One pane, or two"),
        Binding("ctrl right", "console.panes.next", everywhere, "The other pane"),
        Binding("ctrl left", "console.panes.prev", everywhere, "The other pane"),
        Binding("q", "console.view.pop", common, "Leave this screen; from the list, quit"),
        Binding("esc", "console.view.pop", common, "Leave this screen"),
        Binding("Q", "console.exit", everywhere, "Quit"),
        Binding("u", "console.undo", everywhere, "Undo"),
        Binding("ctrl r", "console.redo", everywhere, "Redo"),
        Binding("H", "set console_quickhelp_visible toggle", everywhere, "Show or hide these hints"),
        Binding("I", "set intercept_active toggle", everywhere, "Interception on or off"),
        Binding("i", "console.command.set intercept", everywhere, "Filter of flows to hold"),
        Binding("W", "console.command.set save_stream_file", everywhere, "File to write flows to as they come"),
        Binding("P", "console.view.flow @focus", everywhere, "Open this flow"),
        Binding("enter", "console.nav.select", common, "Open, or edit"),
        Binding("tab", "console.nav.next", common, "Next tab"),
        Binding("shift tab", "console.panes.next", everywhere, "The other pane, or the previous tab"),
        Binding("g", "console.nav.start", everywhere, "First"),
        Binding("home", "console.nav.start", everywhere, "First"),
        Binding("G", "console.nav.end", everywhere, "Last"),
        Binding("end", "console.nav.end", everywhere, "Last"),
        Binding("k", "console.nav.up", everywhere, "Up"),
        Binding("up", "console.nav.up", everywhere, "Up"),
        Binding("j", "console.nav.down", everywhere, "Down"),
        Binding("down", "console.nav.down", everywhere, "Down"),
        Binding("h", "console.nav.left", everywhere, "Left, or previous tab"),
        Binding("left", "console.nav.left", everywhere, "Left, or previous tab"),
        Binding("l", "console.nav.right", everywhere, "Right, or next tab"),
        Binding("right", "console.nav.right", everywhere, "Right, or next tab"),
        Binding("space", "console.nav.pagedown", everywhere, "Page down"),
        Binding("page down", "console.nav.pagedown", everywhere, "Page down"),
        Binding("ctrl f", "console.nav.pagedown", everywhere, "Page down"),
        Binding("page up", "console.nav.pageup", everywhere, "Page up"),
        Binding("ctrl b", "console.nav.pageup", everywhere, "Page up"),
    )
    yield from (
        Binding("a", "flow.resume @focus", flows, "Resume this flow"),
        Binding("A", "flow.resume @all", flows, "Resume all flows"),
        Binding("X", "flow.kill @focus", flows, "Kill this flow"),
        Binding("delete", "flow.message.drop @focus", flows, "Drop the held message"),
        Binding("e", 'console.choose.cmd "Edit…" console.edit.focus.options console.edit.focus {choice}', flows, "Edit a part"),
        Binding("r", "replay.client @focus", flows, "Send the request again, as a new flow"),
        Binding("R", "console.command replay.client @focus ''", flows, "Send it again so many times"),
        Binding("t", "view.focus.replay @focus", flows, "From a replay to what it repeats, and back"),
        Binding("c", "console.view.diff @focus", flows, "Compare with another flow, or with what was received"),
        Binding("D", "view.flows.duplicate @focus", flows, "Duplicate"),
        Binding("V", "flow.revert @focus", flows, "Revert all edits of this flow"),
        Binding("d", "view.flows.remove @focus", flows, "Delete"),
        Binding(";", "console.command flow.comment @focus ''", flows, "Comment"),
        Binding("b", "console.command cut.save @focus response.content ''", flows, "Save the response body"),
        Binding("x", _EXPORT, flows, "Export to a file"),
        Binding("|", "console.command script.run @focus ''", flows, "Run a script over the flow"),
        Binding("ctrl l", "console.command cut.clip @focus ''", flows, "Copy a part to the clipboard"),
        Binding("F", "view.focus.follow", flows, "Follow new flows, or no longer"),
    )
    yield from (
        Binding("m", "flow.mark.toggle @focus", ("flowlist",), "Mark"),
        Binding("U", "flow.mark @all false", ("flowlist",), "Unmark all"),
        Binding("M", "view.properties.marked.toggle", ("flowlist",), "Marked flows only"),
        Binding("f", "console.command.set view_filter", ("flowlist",), "Filter the list"),
        Binding("n", "console.command view.flows.create get https://example.com/", ("flowlist",), "Create a request"),
        Binding("o", 'console.choose.cmd "Order by…" view.order.options set view_order {choice}', ("flowlist",), "Order"),
        Binding("v", "set view_order_reversed toggle", ("flowlist",), "Reverse the order"),
        Binding("w", "console.command save.file @shown ''", ("flowlist",), "Save the flows shown"),
        Binding("L", "console.command view.flows.load ''", ("flowlist",), "Load flows from a file"),
        Binding("S", "console.command replay.server @shown", ("flowlist",), "Answer requests with recorded responses"),
        Binding("s", "console.view.sessions", ("flowlist",), "Sessions: open another one, name this one"),
        Binding("z", "view.flows.remove @all", ("flowlist",), "Clear the list"),
        Binding("Z", "view.flows.remove @hidden", ("flowlist",), "Clear what the filter hides"),
    )
    yield from (
        Binding("space", "view.focus.next", ("flowview",), "Next flow"),
        Binding("p", "view.focus.prev", ("flowview",), "Previous flow"),
        Binding(
            "m",
            'console.choose.cmd "Show the body as…" console.flowview.mode.options console.flowview.mode.set {choice}',
            ("flowview",),
            "Content view",
        ),
        Binding("f", "view.settings.setval.toggle @focus fullcontents", ("flowview",), "Whole body"),
        Binding("s", "console.flowview.wrap", ("flowview",), "Wrap long lines, or shift them"),
        Binding(">", "console.flowview.shift right", ("flowview",), "Shift to the right"),
        Binding("<", "console.flowview.shift left", ("flowview",), "Shift to the left"),
        Binding("w", "console.command save.file @focus ''", ("flowview",), "Save this flow"),
        Binding("v", 'console.choose "View…" request,response console.bodyview @focus {choice}', ("flowview",), "Body in $PAGER"),
        Binding(
            "z", 'console.choose "Encode or decode…" request,response flow.encode.toggle @focus {choice}', ("flowview",), "Coding"
        ),
        Binding("/", "console.search", searchable, "Search"),
        Binding("/", "search.open", ("flowlist",), "Search all flows"),
        Binding("\\", "search.open", everywhere, "Search all flows"),
        Binding("esc", "console.view.pop", ("search",), "Leave the search"),
        Binding("ctrl t", "search.regex.toggle", ("search",), "Regular expression, or text"),
        Binding("ctrl g", "search.again", ("search",), "Search again"),
        Binding("n", "console.search.next", searchable, "Next match"),
        Binding("N", "console.search.previous", searchable, "Previous match"),
    )
    yield from (
        Binding("]", "console.diff.next", ("diff",), "Next difference"),
        Binding("[", "console.diff.prev", ("diff",), "Previous difference"),
        Binding("f", "console.diff.unchanged", ("diff",), "Show or fold what is the same"),
        Binding("v", "console.diff.layout", ("diff",), "Side by side, or one below the other"),
        Binding("o", "console.diff.keyorder", ("diff",), "Whether the order of keys in JSON counts"),
        Binding("x", "console.diff.swap", ("diff",), "Swap the sides"),
    )
    yield from (
        Binding("d", "console.options.reset.focus", ("options",), "Reset this option"),
        Binding("D", 'console.command.confirm "Reset all options?" options.reset', ("options",), "Reset all options"),
        Binding("L", "console.command options.load ''", ("options",), "Load options from a file"),
        Binding("S", "console.command options.save", ("options",), "Save the options"),
        Binding("a", 'console.choose.cmd "Key for…" console.key.contexts console.key.add {choice}', ("keybindings",), "Add"),
        Binding("enter", "console.key.edit.focus", ("keybindings",), "Change what the key runs"),
        Binding("d", "console.key.unbind.focus", ("keybindings",), "Take the key away"),
        Binding("x", "console.key.execute.focus", ("keybindings",), "Run what the key runs"),
    )
    yield from (
        Binding("m", "console.command session.name ''", ("sessions",), "Name the session that is open"),
        Binding("a", "session.close", ("sessions",), "A new session"),
        Binding("c", "session.compact", ("sessions",), "Give back the space that the session wastes"),
        Binding("p", "session.purge", ("sessions",), "Remove deleted flows for good"),
        Binding("z", 'console.command.confirm "Clear the event log?" eventstore.clear', ("eventlog",), "Clear"),
        Binding("?", "console.view.pop", ("help",), "Leave the help"),
        Binding("a", "console.grideditor.add", ("grideditor",), "Add a row"),
        Binding("A", "console.grideditor.insert", ("grideditor",), "Insert a row"),
        Binding("d", "console.grideditor.delete", ("grideditor",), "Delete the row"),
        Binding("r", "console.command console.grideditor.load ''", ("grideditor",), "File into the cell"),
        Binding("R", "console.command console.grideditor.load_escaped ''", ("grideditor",), "File with escapes into the cell"),
        Binding("e", "console.grideditor.editor", ("grideditor",), "Cell in $EDITOR"),
        Binding("w", "console.command console.grideditor.save ''", ("grideditor",), "Table to a CSV file"),
        Binding("shift tab", "console.nav.previous", ("grideditor",), "Previous cell"),
    )


class Keymap:
    def __init__(self, bindings: Iterable[Binding] | None = None) -> None:
        self._by_context: dict[str, dict[str, Binding]] = {context: {} for context in CONTEXTS}
        self._keys_for: dict[tuple[str, str], str | None] = {}  # what was asked before, until a binding changes
        for binding in _defaults() if bindings is None else bindings:
            self.bind(binding)

    def bind(self, binding: Binding) -> None:
        """Replaces what the key did in those contexts. UserError for an unknown context."""
        self._keys_for.clear()
        for context in binding.contexts:
            if context not in self._by_context:
                raise UserError(f"{context!r} is not a context of keys; {', '.join(CONTEXTS)} are")
            self._by_context[context][normalized(binding.key)] = binding

    def unbind(self, key: str, contexts: Sequence[str]) -> None:
        self._keys_for.clear()
        for context in contexts:
            self._by_context.get(context, {}).pop(normalized(key), None)

    def find(self, context: str, key: str) -> Binding | None:
        key = normalized(key)
        for name in (context, "commonkey", "global"):
            if (binding := self._by_context.get(name, {}).get(key)) is not None:
                return binding
        return None

    def key_for(self, context: str, command: str) -> str | None:
        """A key that runs this command on that screen now, the first that was bound; if none does, one that runs a command
        that begins so. Asked for every hint of every drawing."""
        if (context, command) not in self._keys_for:
            self._keys_for[context, command] = self._look_for_key(context, command)
        return self._keys_for[context, command]

    def _look_for_key(self, context: str, command: str) -> str | None:
        available = [
            (key, binding.command)
            for name in (context, "commonkey", "global")
            for key, binding in self._by_context.get(name, {}).items()
            if self.find(context, key) is binding
        ]
        exact = (key for key, line in available if line == command)
        return next(exact, None) or next((key for key, line in available if line.startswith(command + " ")), None)

    def bindings(self, context: str) -> list[tuple[str, Binding]]:
        """(key, binding) of that context alone, in the order in which they were bound."""
        return list(self._by_context.get(context, {}).items())

    def load(self, path: Path) -> int:
        """Adds the bindings of a file; how many. UserError, with what is wrong, before any is added."""
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            entries = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        except (OSError, UnicodeError) as error:
            raise UserError(f"{path} cannot be read: {error}") from None
        except YAMLError as error:
            raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
        if entries is None:
            return 0
        if not isinstance(entries, list):
            raise UserError(f"{path} is not a list of bindings; '- key: …' begins one")
        bindings = [_binding(path, number, entry) for number, entry in enumerate(entries, 1)]
        for binding in bindings:
            if binding.command:
                self.bind(binding)
            else:
                self.unbind(binding.key, binding.contexts)
        return len(bindings)


def normalized(key: str) -> str:
    """The one spelling that a key is known by: "space" for a blank, modifiers in lower case."""
    if key == " ":
        return "space"
    *modifiers, last = key.split()
    return " ".join([*(modifier.lower() for modifier in modifiers), last])


def _binding(path: Path, number: int, entry: Any) -> Binding:
    if not isinstance(entry, dict):
        raise UserError(f"{path}: binding {number} is not a mapping of key, cmd, ctx and help")
    unknown = set(entry) - {"key", "cmd", "ctx", "context", "help"}
    if unknown:
        raise UserError(f"{path}: binding {number} has {sorted(map(str, unknown))[0]!r}; key, cmd, ctx and help are known")
    key, command = entry.get("key"), entry.get("cmd")
    if not isinstance(key, str) or (not key.strip(" ") and key != " ") or not isinstance(command, str):
        raise UserError(f"{path}: binding {number} needs a key and a cmd, both text; cmd: '' lets the key do nothing")
    contexts = entry.get("ctx", entry.get("context", ["global"]))
    if isinstance(contexts, str):
        contexts = contexts.replace(",", " ").split()
    if not isinstance(contexts, list) or not contexts:
        raise UserError(f"{path}: ctx of binding {number} is a list like [flowlist, flowview]")
    for context in contexts:
        if context not in CONTEXTS:
            raise UserError(f"{path}: binding {number} has the context {context!r}; {', '.join(CONTEXTS)} are known")
    return Binding(key, " ".join(command.split()), tuple(contexts), str(entry.get("help", "")))
