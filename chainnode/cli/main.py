"""The command `chainnode`: reads the command line and turns errors into one line and an exit code."""

import argparse
import io
import logging
import os
import sys
from importlib import import_module
from pathlib import Path

from chainnode.cli.usage import CommandLine, UsageError
from chainnode.errors import ChainError
from chainnode.types.release import VERSION

REFUSED, WRONG_USE, INTERRUPTED = 1, 2, 130
# Commands by the module that has them, in the order of `--help`. To import all of them takes most of a second.
_MODULES = {
    "devnet": ("devnet",),
    "init": ("init",),
    "run": ("run",),
    "keys": ("keys",),
    "did": ("did",),
    "vc": ("vc",),
    "chain": ("chain",),
    "lightclients": ("client",),
    "relay": ("relay",),
    "fabric": ("fabric",),
    "ask": ("status", "submit", "anchor", "query"),
    "verify": ("verify",),
    "replay": ("replay",),
    "doctor": ("doctor",),
}
_EXIT_CODES = """\
exit codes:
  0    done, and everything held
  1    refused or failed; standard error has one line with a stable code (docs/errors.md)
  2    wrong use: what the command line says, or a file that it names, is not what the command takes; nothing was done
  130  interrupted"""


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or as much of it as one command needs."""
    top: argparse.ArgumentParser = CommandLine(
        prog="chainnode",
        description="A permissioned ledger node whose every answer carries a proof.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"chainnode {VERSION}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = [module for module, commands in _MODULES.items() if command in commands] or list(_MODULES)
    for module in wanted:  # imported here, so that Ctrl-C while the libraries load is met by `main` too
        import_module(f"chainnode.cli.{module}").add_parser(subparsers)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is one of those that `--help` lists."""
    _print_anything()
    logging.lastResort = logging.NullHandler()  # who sets up no log has none: what a command has to say is its one line
    try:
        args = _parse(arguments)
        code: int = args.run(args)
        sys.stdout.flush()
    except UsageError as error:
        print(f"chainnode: {error}", file=sys.stderr)
        return WRONG_USE
    except ChainError as error:
        print(f"chainnode: {error}", file=sys.stderr)
        return REFUSED
    except BrokenPipeError:
        # Who read our output has left, as `head` does. The interpreter would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except OSError as error:
        from chainnode.storage.files import explained

        print(f"chainnode: {explained(error, Path(str(error.filename or 'a file')))}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("chainnode: interrupted", file=sys.stderr)
        return INTERRUPTED
    return code


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    """The arguments; UsageError that names the help of the command they were given to."""
    given = sys.argv[1:] if arguments is None else arguments
    args, unknown = parser(given[0] if given else None).parse_known_args(given)
    if unknown:
        command = " ".join(filter(None, ("chainnode", args.command, getattr(args, "action", None))))
        raise UsageError(f"unrecognized arguments: {' '.join(unknown)}; see `{command} --help`")
    return args


def _print_anything() -> None:
    """A terminal whose encoding lacks a letter shows an escape for it; it is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    sys.exit(main())
