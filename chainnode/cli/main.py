"""The command `chainnode`: reads the command line and turns errors into one line and an exit code."""

import argparse
import sys

from chainnode.cli import ask, devnet, init, keys, replay, run, verify
from chainnode.errors import ChainError
from chainnode.node.node import VERSION

FAILED = 1


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(prog="chainnode", description="A permissioned ledger node whose every answer carries a proof.")
    top.add_argument("--version", action="version", version=f"chainnode {VERSION}")
    subparsers = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (devnet, init, run, keys, ask, verify, replay):
        command.add_parser(subparsers)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 done, 1 refused with a stable code on standard error, 2 wrong use, 130 interrupted."""
    args = parser().parse_args(arguments)
    try:
        code: int = args.run(args)
    except ChainError as error:
        print(f"chainnode: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("chainnode: interrupted", file=sys.stderr)
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
