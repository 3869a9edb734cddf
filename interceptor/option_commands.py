"""The commands that change options: `set`, and those that read and write them as a file."""

from __future__ import annotations

from pathlib import Path

from interceptor.commands import Commands, OptionName, OptionValue
from interceptor.config import load_options, save_options
from interceptor.options import Options
from interceptor.specs.errors import UserError


class OptionCommands:
    """Registers the commands with their names, which are mitmproxy's."""

    def __init__(self, commands: Commands, options: Options) -> None:
        self._options = options
        commands.add("set", self.set)
        commands.add("options.load", self.load)
        commands.add("options.save", self.save)
        commands.add("options.reset", self.reset)
        commands.add("options.reset.one", self.reset_one)

    def set(self, option: OptionName, *value: OptionValue) -> None:
        """Sets an option; no value means on, unset or empty, several are a list. Also: set name=value."""
        name, equals, first = option.partition("=")
        self._options.set_text(name, *([first] if equals else []), *value)

    def load(self, path: Path) -> None:
        """Reads options from a YAML file."""
        self._options.update(**load_options(path, self._options))

    def save(self, path: Path | None = None) -> str:
        """Writes the options that were changed to a YAML file, whose comments stay; by default the one read at the start."""
        path = path or self._options.confdir_path / "config.yaml"
        try:
            save_options(self._options, path)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror or error}") from error
        return f"written to {path}"

    def reset(self) -> None:
        """Sets all options to their defaults."""
        self._options.reset(*(each.name for each in self._options.definitions() if each.name != "confdir"))

    def reset_one(self, option: OptionName) -> None:
        """Sets an option to its default."""
        self._options.reset(option)
