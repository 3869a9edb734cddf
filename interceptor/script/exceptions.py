"""What scripts raise to say that something typed or set is wrong, and what they catch of ours.

Each is shown as one sentence, without a traceback. An `OptionsError` from `configure` undoes the change of options.
"""

from __future__ import annotations

from interceptor.specs.errors import UserError

OptionsError = UserError
CommandError = UserError
FlowReadException = UserError


class AddonHalt(Exception):
    """Raised in a hook: no script after this one is asked about it."""


class ControlException(Exception):
    """A flow cannot be ended or held."""
