"""How the story is printed: indented, wrapped at the terminal's width, parties by their names."""

import shutil
import textwrap
from collections.abc import Mapping

_WIDTH_MAX = 100


class Teller:
    """Prints for people. `names` are shown in place of DIDs."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = dict(names)
        self._width = min(shutil.get_terminal_size().columns, _WIDTH_MAX)

    def call(self, did: str, name: str) -> None:
        """Show a name in place of a DID from now on."""
        self._names[did] = name

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        self._print(title, "\n", "   ")

    def good(self, text: str) -> None:
        """Something went as it must."""
        self._print(text, "  ✓ ", "      ")

    def bad(self, text: str) -> None:
        """Something did not."""
        self._print(text, "  ✗ ", "      ")

    def more(self, text: str) -> None:
        """A detail of the line before."""
        self._print(text, "      ", "      ")

    def plain(self, text: str) -> None:
        """A sentence between the chapters."""
        self._print(text, "\n", "")

    def by_name(self, text: str) -> str:
        """The text with parties instead of their DIDs."""
        for did, name in self._names.items():
            text = text.replace(did, name)
        return text

    def _print(self, text: str, first: str, then: str) -> None:
        lines = textwrap.wrap(
            self.by_name(text), self._width, initial_indent=first, subsequent_indent=then, break_long_words=False, break_on_hyphens=False
        )
        print("\n".join(lines), flush=True)
