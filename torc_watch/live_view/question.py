"""A question at the bottom of the screen: y is yes, every other key is no."""

from textual.app import ComposeResult
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Static

_KEYS = "y yes, any other key no"


class Question(ModalScreen[bool]):
    DEFAULT_CSS = """
    Question { align: left bottom; background: transparent; }
    Question Static { text-style: bold; }
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield Static(f"{self._text}  {_KEYS}", markup=False)

    def on_key(self, event: Key) -> None:
        event.stop()
        self.dismiss(event.key in ("y", "Y"))
