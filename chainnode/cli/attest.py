"""`chainnode relay attest`: an attestor of an EVM chain; `relay attested-client`: the light client that takes several attestors' word."""

import argparse
import asyncio
import json
import signal
from contextlib import suppress
from pathlib import Path

from chainnode.bid import normalise
from chainnode.cli.keys import read_passphrase
from chainnode.cli.loop import run_loop
from chainnode.cli.usage import UsageError, argument, folder
from chainnode.cli.verify import Subparsers
from chainnode.crypto.suites import PrivateKey
from chainnode.errors import Malformed, Rejected
from chainnode.foreign import attestations
from chainnode.foreign.attestations import AttestedState, encode_client_state, encode_consensus_state
from chainnode.foreign.ethkeys import address_of
from chainnode.node.homes import load_key, new_key, read_passphrase_file, save_key
from chainnode.node.telemetry import set_up_logging
from chainnode.relay.attestguard import begin_guard, open_guard
from chainnode.relay.attestor import Attestor, EvmView, check_chain, make_view, owner_of
from chainnode.relay.attestserver import serve_attestor
from chainnode.relay.attestsettings import TEMPLATE, AttestSettings, load_attest_settings
from chainnode.relay.endpoints import told_of
from chainnode.relay.evm import EvmChain
from chainnode.relay.evmattested import AttestedGround
from chainnode.relay.families import make_chain
from chainnode.relay.settings import load_settings
from chainnode.types.codes import BAD_CONFIG, HOME_EXISTS

SETTINGS_FILE = "attest.toml"
FAILED = 1
_KEY_FILE = Path("keys") / "attestor.json"


def add_actions(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add both to the actions of `relay`."""
    attest = actions.add_parser("attest", help="run an attestor of an EVM chain", description=_attest.__doc__)
    attest.add_argument("--config", type=Path, default=Path(SETTINGS_FILE), metavar="FILE", help=f"settings (default {SETTINGS_FILE})")
    what = attest.add_mutually_exclusive_group()
    what.add_argument("--init", type=folder, metavar="DIR", help="write DIR/attest.toml, draw a key, and end")
    what.add_argument("--check", action="store_true", help="ask the chain whether the settings fit, and end")
    what.add_argument("--new-guard", action="store_true", help="the first time, or when the guard is lost: begin one at what is final now")
    attest.add_argument("--passphrase-file", type=Path, metavar="FILE", help="with --init: its first line seals the key")
    attest.set_defaults(run=_attest)
    client = actions.add_parser("attested-client", help="print the proposal of a client by attestors", description=_client.__doc__)
    client.add_argument("--config", type=Path, default=Path("relay.toml"), metavar="FILE", help="the relay's settings")
    client.add_argument("--chain", required=True, metavar="NAME", help="its table [chains.NAME], of family attested-evm")
    client.add_argument("--creator", required=True, type=argument(normalise), metavar="DID", help="who may name its counterparty")
    client.add_argument("--reason", default="to follow the chain", metavar="TEXT", help="goes on record with the proposal")
    client.set_defaults(run=_client)


def _attest(args: argparse.Namespace) -> int:
    """Sign, until Ctrl-C, which time the final heights of an EVM chain have and what our outbox there holds, for who asks over HTTP.

    What is final the settings say. Its guard file remembers each height that was named, before the signature leaves: never two for one.
    """
    if args.init is not None:
        return _init(args.init, args.passphrase_file)
    settings = load_attest_settings(args.config)
    if args.check:
        return _check(settings)
    key = _key(settings)
    set_up_logging(settings.log_level, settings.log_format)
    run_loop(_until_stopped(settings, key, is_new=args.new_guard))
    return 0


def _init(folder: Path, passphrase_file: Path | None) -> int:
    path = folder / SETTINGS_FILE
    if path.exists():
        raise Rejected(HOME_EXISTS, f"{path} is there already")
    passphrase = read_passphrase(passphrase_file, is_new=True)
    key = new_key("s")
    save_key(folder / _KEY_FILE, key, passphrase)
    path.write_text(TEMPLATE, encoding="utf-8")
    print(f"Wrote {path} and its key. Name your node, chain and outbox in it; the attestor signs as\n0x{address_of(key.public).hex()}")
    print(f"The first time: chainnode relay attest --config {path} --new-guard")
    return 0


def _check(settings: AttestSettings) -> int:
    async def main() -> list[str]:
        view = make_view(settings)
        try:
            return await check_chain(view)
        finally:
            await view.endpoints.close()

    found = asyncio.run(main())
    print("\n".join(found) if found else f"{told_of(settings.endpoint)} is as the settings say; final is: {settings.rule}.")
    return FAILED if found else 0


def _key(settings: AttestSettings) -> PrivateKey:
    file = settings.passphrase_file
    key = load_key(settings.key, read_passphrase(None, is_new=False) if file is None else read_passphrase_file(file))
    if key.suite != "s":
        raise Malformed(BAD_CONFIG, f"{settings.key}: an attestor's key is of suite s, secp256k1")
    return key


async def _until_stopped(settings: AttestSettings, key: PrivateKey, *, is_new: bool) -> None:
    """Serve until a signal comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, ValueError):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    view = make_view(settings)
    try:
        attestor = await open_attestor(settings, key, view, is_new=is_new)
        try:
            runner = await serve_attestor(attestor)
            print(
                f"0x{attestor.address.hex()} attests eip155:{settings.chain_id} at http://{settings.listen}; final is: {settings.rule}",
                flush=True,
            )
            try:
                await stopped.wait()
            finally:
                await runner.cleanup()
        finally:
            attestor.close()
    finally:
        await view.endpoints.close()


async def open_attestor(settings: AttestSettings, key: PrivateKey, view: EvmView, *, is_new: bool) -> Attestor:
    """An attestor with its guard; `is_new` begins one where there is none that can be read. Malformed(BAD_CONFIG), Corrupt, Unavailable."""
    wrong = await check_chain(view)
    if wrong:
        raise Malformed(BAD_CONFIG, "; ".join(wrong))
    owner = owner_of(settings, key)
    if not is_new:
        return Attestor(settings, key, view, open_guard(settings.guard, owner))
    return Attestor(settings, key, view, begin_guard(settings.guard, owner, await view.block(await view.final_height())))


def _client(args: argparse.Namespace) -> int:
    """Print the arguments with which `chainnode submit governance propose` makes a light client on a chain of ours that takes the word
    of the attestors in the relay's settings. It begins at the newest height that enough of them have signed.
    """
    tables = {one.name: one for one in load_settings(args.config).chains}
    if args.chain not in tables or tables[args.chain].text("family") != "attested-evm":
        raise UsageError(f"--chain: {args.config} has no table [chains.{args.chain}] of family attested-evm")
    table = tables[args.chain]
    without_key = {name: value for name, value in table.content.items() if name != "key"}
    chain = make_chain(type(table)(table.name, table.folder, without_key), lambda path: new_key())
    assert isinstance(chain, EvmChain) and isinstance(chain.ground, AttestedGround)
    attestors = chain.ground.attestors

    async def main() -> tuple[int, int]:
        try:
            tip = await chain.tip()
            return tip.height, tip.time_ns
        finally:
            await chain.close()

    height, time_ns = asyncio.run(main())
    state = encode_client_state(AttestedState(tuple(f"0x{one.hex()}" for one in attestors.addresses), attestors.needed, height))
    terms = [attestations.NAME, {"hex": state.hex()}, {"hex": encode_consensus_state(time_ns).hex()}, args.creator, []]
    print(json.dumps(["create_client", terms, args.reason]))
    return 0
