"""Taking back what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..viewer import Viewer

_NOTHING = "Undo"


class UndoTool:
    """A button that says what it takes back, and Ctrl+Z."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        with viewer.tab("Tools"):
            self.button = viewer.server.gui.add_button(
                _NOTHING, disabled=True, hint="Ctrl+Z; nothing on the disk changes"
            )
        self.command = viewer.server.gui.add_command("Undo the last edit", hotkey="Z", modifier="cmd/ctrl")
        viewer.guarded(self.button)(self.undo)
        self.command.on_trigger(lambda event: viewer.safely(lambda: self.undo(event), event.client))
        viewer.on_change(self.refresh)

    def undo(self, event: Any = None) -> None:
        """Take the last edit back and say which it was."""
        undone = self._viewer.undo()
        self._viewer.notify(
            getattr(event, "client", None), f"undone: {undone}" if undone else "there is nothing to undo"
        )

    def refresh(self) -> None:
        """Say what the button would take back."""
        last = self._viewer.history.last
        label = f"Undo: {last}" if last else _NOTHING
        if self.button.label != label or self.button.disabled != (last is None):
            self.button.label, self.button.disabled = label, last is None
