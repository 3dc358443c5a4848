"""`chainnode relay`: carry headers and packets between chains that verify each other.

The relay is a process of its own that holds no power: it shows each chain what the other has decided, with proofs, and both verify it.
Any number of copies may run; what two of them send twice is taken once. It follows each chain through several endpoints, believes none
of them, and signs what it sends with a key whose party holds a role on that chain. `init` writes a settings file that explains itself.
"""

import argparse
import asyncio
import http.client
import json
import signal
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from chainnode.bid import did_of
from chainnode.cli import attest
from chainnode.cli.keys import read_passphrase
from chainnode.cli.loop import run_loop
from chainnode.cli.usage import folder
from chainnode.cli.verify import Subparsers
from chainnode.errors import Rejected, Unavailable
from chainnode.node.homes import load_key, new_key, read_passphrase_file, save_key
from chainnode.node.telemetry import set_up_logging
from chainnode.relay.relay import Relay, make_relay
from chainnode.relay.server import serve
from chainnode.relay.settings import TEMPLATE, Settings, load_settings
from chainnode.types.codes import HOME_EXISTS, NOT_READY

SETTINGS_FILE = "relay.toml"
FAILED = 1
_STATUS_S = 5.0
_EPILOG = """\
All keys of the settings are opened by one passphrase: the first line of `passphrase_file`, which the settings name, else
CHAINNODE_KEYS_PASSPHRASE, else a prompt.

examples, each step of which is in docs/relay.md:
  chainnode relay init --dir relay
  chainnode relay check --config relay/relay.toml
  chainnode relay run --config relay/relay.toml
  chainnode relay status --config relay/relay.toml"""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `relay init|check|run|once|status|attest|attested-client` to the command line."""
    top = subparsers.add_parser(
        "relay",
        help="carry headers and packets between chains",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    init = actions.add_parser(
        "init",
        help="write a settings file with every setting explained, and draw a key",
        description="Write DIR/relay.toml and a sealed key.",
    )
    init.add_argument("--dir", type=folder, required=True, metavar="DIR", help="where relay.toml and keys/relay.json are made")
    init.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="its first line seals the key; else CHAINNODE_KEYS_PASSPHRASE or a prompt"
    )
    init.set_defaults(run=_init)
    check = actions.add_parser(
        "check",
        help="verify the settings against the chains, sending nothing",
        description="Ask every endpoint, verify each chain from its root of trust, and look at keys, roles and the clients of each route.",
    )
    check.set_defaults(run=_check)
    run = actions.add_parser(
        "run",
        help="carry on until Ctrl-C",
        description="Run every route until SIGINT or SIGTERM. Alarms, as of a client that is about to expire, are logged as errors.",
    )
    run.set_defaults(run=_run)
    once = actions.add_parser(
        "once", help="do what there is to do now, and end", description="Look at every route until nothing is left to do, and end."
    )
    once.set_defaults(run=_once)
    for action in (check, run, once):
        action.add_argument("--config", type=Path, default=Path(SETTINGS_FILE), metavar="FILE", help=f"settings (default {SETTINGS_FILE})")
    status = actions.add_parser(
        "status",
        help="tell where a running relay stands",
        description="Ask the relay that runs with these settings: chains, clients with trust class, age and expiry, packets, errors.",
    )
    status.add_argument("--config", type=Path, default=Path(SETTINGS_FILE), metavar="FILE", help=f"settings (default {SETTINGS_FILE})")
    status.add_argument("--json", action="store_true", help="print what the relay says as JSON")
    status.set_defaults(run=_status)
    attest.add_actions(actions)


def _init(args: argparse.Namespace) -> int:
    path = args.dir / SETTINGS_FILE
    if path.exists():
        raise Rejected(HOME_EXISTS, f"{path} is there already")
    passphrase = read_passphrase(args.passphrase_file, is_new=True)
    key = new_key()
    save_key(args.dir / "keys" / "relay.json", key, passphrase)
    path.write_text(TEMPLATE, encoding="utf-8")
    print(f"Wrote {path} and its key. Name your chains in it, have a role granted on each to\n{did_of(key.suite, key.public)}")
    print(f"and look whether all fits: chainnode relay check --config {path}")
    return 0


def _check(args: argparse.Namespace) -> int:
    _, relay = _open(args.config)

    async def main() -> list[str]:
        try:
            return await relay.check()
        finally:
            await relay.close()

    found = asyncio.run(main())
    for sentence in found:
        print(_plain(sentence))
    if not found:
        routes = len(relay.routes)
        print(f"{len(relay.chains)} chains and {routes} route{'' if routes == 1 else 's'} are as the settings say.")
    return FAILED if found else 0


def _run(args: argparse.Namespace) -> int:
    settings, relay = _open(args.config)
    set_up_logging(settings.log_level, settings.log_format)
    run_loop(_until_stopped(relay, settings))
    return 0


def _once(args: argparse.Namespace) -> int:
    settings, relay = _open(args.config)
    set_up_logging(settings.log_level, settings.log_format)

    async def main() -> None:
        try:
            await relay.once()
        finally:
            await relay.close()

    run_loop(main())
    for route in relay.routes:
        done = route.counts
        print(
            f"{route.name}: {done.updates} updates, {done.received} packets received, {done.acknowledged} acknowledged, "
            f"{done.timed_out} timed out, {done.refused} refused"
        )
    return 0


async def _until_stopped(relay: Relay, settings: Settings) -> None:
    """Run and serve until a signal comes."""
    loop = asyncio.get_running_loop()
    runner = None if settings.listen is None else await serve(relay, settings.listen)  # first: the port may be another's
    work = loop.create_task(relay.run(), name="relay")
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError):
            loop.add_signal_handler(number, work.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await work
    finally:
        work.cancel()
        if runner is not None:
            await runner.cleanup()


def _open(path: Path) -> tuple[Settings, Relay]:
    """Settings, and the relay with its keys opened, all by one passphrase."""
    settings = load_settings(path)
    file = settings.passphrase_file
    passphrase = read_passphrase(None, is_new=False) if file is None else read_passphrase_file(file)
    return settings, make_relay(settings, lambda key_path: load_key(key_path, passphrase))


def _status(args: argparse.Namespace) -> int:
    settings = load_settings(args.config)
    if settings.listen is None:
        raise Rejected(NOT_READY, f"{args.config}: the relay listens nowhere; set listen")
    try:
        with urllib.request.urlopen(f"http://{settings.listen}/status", timeout=_STATUS_S) as answer:
            document = json.load(answer)
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        words = getattr(reason, "strerror", None) or str(reason).strip()
        raise Unavailable(NOT_READY, f"no relay answers at {settings.listen}: {_plain(words)}") from error
    if not (isinstance(document, dict) and isinstance(document.get("chains"), dict) and isinstance(document.get("routes"), list)):
        raise Unavailable(NOT_READY, f"what answers at {settings.listen} is no relay")
    if args.json:
        json.dump(document, sys.stdout, indent=2)
        print()
    else:
        print("\n".join(map(_plain, status_lines(document))))
    return 0


def _plain(line: str) -> str:
    """A line without what steers a terminal: endpoints have a say in why they failed."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def status_lines(document: dict[str, Any]) -> list[str]:
    """What a relay says, for people."""
    lines = ["chain         height  endpoints"]
    for name, chain in document["chains"].items():
        good = sum(not one["is_avoided"] for one in chain.get("endpoints", []))
        lines.append(f"{name:12} {chain.get('height', 0):7}  {good} of {len(chain.get('endpoints', []))} asked")
        if "attestors" in chain:
            asked = sum(not one["is_avoided"] for one in chain["attestors"])
            lines.append(f"  by attestors: {asked} of {len(chain['attestors'])} asked, {chain['needed']} must agree")
    for route in document["routes"]:
        lines += ["", f"route {route['name']}: {_how(route)}"]
        for one in route["clients"]:
            lines.append(f"  {_client_line(one)}")
        for one in route["packets"]:
            lines.append(f"  packets from {one['from']}: {one['waiting']} wait, {one['stuck']} of them stuck")
            lines += [f"    {number}: {error}" for number, error in one["errors"].items()]
        lines += [f"  ALARM: {one['client']} on {one['chain']} is {one['kind']}" for one in route["alarms"]]
        done = route["done"]
        lines.append("  since the start: " + ", ".join(f"{done[name]} {name.replace('_', ' ')}" for name in done))
    return lines


def _how(route: dict[str, Any]) -> str:
    if route["failures"]:
        return f"failing, {route['failures']} times in a row: {route['last_error']}"
    return "works" if route["last_success_ns"] else "not looked at yet"


def _client_line(one: dict[str, Any]) -> str:
    expires = "never expires" if one["expires_s"] is None else f"expires in {_duration(one['expires_s'])}"
    state = "FROZEN" if one["is_frozen"] else expires
    age = "knows no header yet" if one["age_s"] is None else f"header {one['latest']}, {_duration(one['age_s'])} old"
    return f"{one['client']} on {one['chain']} (trust: {one['trust']}) follows {one['follows']}: {age}, {state}"


def _duration(seconds: int) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
