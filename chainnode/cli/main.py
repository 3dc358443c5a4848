"""The command `chainnode`: reads the command line and turns errors into one line and an exit code."""

import argparse
import io
import logging
import os
import sys
from pathlib import Path

from chainnode.cli.usage import CommandLine, UsageError
from chainnode.errors import ChainError

REFUSED, WRONG_USE, INTERRUPTED = 1, 2, 130
_EXIT_CODES = """\
exit codes:
  0    done, and everything held
  1    refused or failed; standard error has one line with a stable code (docs/errors.md)
  2    wrong use of the command line, or a file that it names is not what it should be
  130  interrupted"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    # Imported here, so that Ctrl-C while the libraries load is met by `main` too.
    from chainnode.cli import ask, chain, devnet, did, doctor, fabric, init, keys, lightclients, relay, replay, run, vc, verify
    from chainnode.node.node import VERSION

    top: argparse.ArgumentParser = CommandLine(
        prog="chainnode",
        description="A permissioned ledger node whose every answer carries a proof.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"chainnode {VERSION}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (devnet, init, run, keys, did, vc, chain, lightclients, relay, fabric, ask, verify, replay, doctor):
        command.add_parser(subparsers)
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
    args, unknown = parser().parse_known_args(arguments)
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
