"""Wrong use of the command line: told in one line, with a code and an exit code of its own."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from chainnode.errors import ChainError
from chainnode.types.codes import BAD_USE


class UsageError(ChainError):
    """The command line, or a file that it names, is at fault."""

    def __init__(self, detail: str) -> None:
        super().__init__(BAD_USE, detail)


class CommandLine(argparse.ArgumentParser):
    """A parser whose complaints are errors like any other; its subparsers are the same."""

    def error(self, message: str) -> NoReturn:
        """UsageError with what argparse says."""
        raise UsageError(f"{message}; see `{self.prog} --help`")


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
