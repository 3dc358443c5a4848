"""Wrong use of the command line: told in one line, with a code, and an exit code of its own."""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

from chainnode.errors import ChainError, Malformed, Rejected
from chainnode.types.codes import BAD_USE, Code

Parsed = TypeVar("Parsed")


class UsageError(ChainError):
    """The command line, or a file that it names, is at fault. `code` is another one where the fault has a name of its own."""

    def __init__(self, detail: str, code: Code = BAD_USE) -> None:
        super().__init__(code, detail)


@contextmanager
def reading_words() -> Iterator[None]:
    """What is refused here came by the command line: it is wrong use, under the code of the refusal."""
    try:
        yield
    except (Malformed, Rejected) as error:
        raise UsageError(error.detail, error.code) from error


def argument(parse: Callable[[str], Parsed]) -> Callable[[str], Parsed]:
    """For `type=` of an argument: what `parse` makes of it, whose complaint is wrong use."""

    def parsed(text: str) -> Parsed:
        with reading_words():
            return parse(text)

    return parsed


class CommandLine(argparse.ArgumentParser):
    """A parser whose complaints are errors like any other; its subparsers are the same."""

    def error(self, message: str) -> NoReturn:
        """UsageError with what argparse says."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


def folder(text: str) -> Path:
    """For `type=` of an argument: a folder, which may be still to be made."""
    path = Path(text)
    if os.path.lexists(path) and not path.is_dir():
        raise UsageError(f"{text} is no folder")
    return path


def check_readable(path: Path) -> None:
    """UsageError when a file that is named on the command line can not be read."""
    try:
        with path.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """For `type=` of an argument: a whole number within bounds."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdecimal() or not lowest <= int(text[:20]) <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} to {highest}")
        return int(text)

    return parse


def program() -> str:
    """How this program was called, for commands that a message proposes: the path where it is not on PATH."""
    called = sys.argv[0]
    if os.path.basename(called) != "chainnode" or os.path.dirname(called) in os.environ.get("PATH", "").split(os.pathsep):
        return "chainnode"
    below = os.path.relpath(called)
    return called if below.startswith(os.pardir) else below
