"""`chainnode did devices`: register the keys of thousands of devices under one control, 10,000 in a transaction."""

import argparse
import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from chainnode import bid
from chainnode.cli import ask, devicekeys, diddocuments, didparties
from chainnode.cli.didparties import Keys, act, open_keys
from chainnode.cli.didwords import control_words
from chainnode.cli.keys import read_passphrase
from chainnode.cli.usage import UsageError, whole_number
from chainnode.cli.verify import Subparsers
from chainnode.client.client import Client
from chainnode.crypto.keystrings import encode_private_key
from chainnode.crypto.suites import PrivateKey, sign
from chainnode.crypto.verify import verify_many
from chainnode.did.record import Control, Facts, control_value, facts_value
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed, Rejected
from chainnode.types.codes import ALREADY_EXISTS, BAD_SIGNATURE, KEY_FILE_EXISTS
from chainnode.types.limits import DEVICE_FILE_KEYS_MAX, DEVICE_TEMPLATE_BYTES_MAX, DEVICES_MAX
from chainnode.types.transaction import Invocation
from contracts.devices import SUITE, device_message, template_digest
from contracts.identityrecords import NAME, identity_key

_DEVICE_BYTES = 96  # of a key and a signature
_REST_BYTES = 4096 + DEVICE_TEMPLATE_BYTES_MAX  # of a transaction besides its devices


def add_parser(actions: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `did devices`."""
    parser = actions.add_parser("devices", help="register thousands of devices at once", description=run.__doc__)
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="device keys: sealed by --count, or lines of PUBLIC-KEY SIGNATURE in hex"
    )
    parser.add_argument("--count", type=whole_number(1, DEVICE_FILE_KEYS_MAX), metavar="N", help="draw N keys into FILE, encrypted, first")
    parser.add_argument("--device-passphrase-file", type=Path, metavar="FILE", help="of the sealed device keys; else as for the others")
    parser.add_argument(
        "--batch", type=whole_number(1, DEVICES_MAX), default=DEVICES_MAX, metavar="N", help=f"in a transaction (default {DEVICES_MAX})"
    )
    parser.add_argument("--list", action="store_true", dest="only_list", help="register nothing: print DID and public key of each")
    parser.add_argument("--digest", action="store_true", help="register nothing: print what devices sign with keys of their own")
    parser.add_argument("--insecure-plain", type=Path, metavar="OUT", help="write the bare private keys to OUT: whoever reads it has them")
    didparties.add_signing_options(parser)
    diddocuments.add_control_options(parser)
    diddocuments.add_fact_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Register the DIDs of device keys, which are drawn here or sign for themselves, under one control (--controller; default the sender).

    Transactions that are on the chain already are passed over, so that the same command without --count goes on after an interruption.
    """
    if args.offline_sign is not None:
        raise UsageError("--offline-sign goes with one transaction: devices are registered by who is here")
    if args.digest:
        return asyncio.run(_print_digest(args))
    if args.file is None:
        raise UsageError("name the FILE with the keys of the devices, or, with --count, the one that they go into")
    if args.count is not None:
        if args.file.exists():
            raise Rejected(KEY_FILE_EXISTS, f"{args.file} is there already; leave out --count to go on with its keys")
        devicekeys.save(args.file, devicekeys.draw(args.count), _passphrase(args, is_new=True))
        print(f"{args.count:,} keys drawn and sealed in {args.file}", flush=True)
    held = devicekeys.load(args.file)
    if args.insecure_plain is not None:
        _write_plain(args, held)
    if args.only_list:
        for key in held.keys:
            print(bid.did_of(SUITE, key), key.hex())
        return 0
    parties = open_keys(args)
    keys = _open(args, held) if held.sealed is not None else None
    asyncio.run(_register(args, held, keys, parties))
    return 0


def _passphrase(args: argparse.Namespace, *, is_new: bool) -> str:
    files = [args.device_passphrase_file] if args.device_passphrase_file else args.passphrase_file[:1]
    return read_passphrase(files[0] if files else None, is_new=is_new)


def _open(args: argparse.Namespace, held: devicekeys.DeviceFile) -> tuple[PrivateKey, ...]:
    try:
        return held.open(_passphrase(args, is_new=False))
    except Malformed as error:
        raise Malformed(error.code, f"{args.file}: {error.detail}") from error


def _write_plain(args: argparse.Namespace, held: devicekeys.DeviceFile) -> None:
    if held.sealed is None:
        raise UsageError(f"{args.file} holds no private keys")
    lines = [f"{bid.did_of(SUITE, key.public)} {encode_private_key(key)}" for key in _open(args, held)]
    devicekeys.save_private(args.insecure_plain, "\n".join(lines))
    print(f"{len(lines):,} private keys in the clear in {args.insecure_plain}")


async def _print_digest(args: argparse.Namespace) -> int:
    if not args.controller:
        raise UsageError("--controller says who will control the devices, which they sign")
    async with ask.client_of(args, age_ms_max=None) as client:
        print(f"genesis  {genesis_hash(client.genesis).hex()}")
        print(f"digest {template_digest(*_template(args, ())).hex()}")
    return 0


def _template(args: argparse.Namespace, senders: Sequence[str]) -> tuple[Control, Facts]:
    """What all the devices have in common."""
    control = diddocuments.changed_control(args, Control())
    if not control.controllers and not args.no_controllers:
        control = Control(tuple(senders[:1]), 1, control.recovery, control.recovery_threshold, control.recovery_delay_ms)
    return control, diddocuments.with_options(args, Facts())


async def _register(args: argparse.Namespace, held: devicekeys.DeviceFile, keys: Sequence[PrivateKey] | None, parties: Keys) -> None:
    first = parties[1] or next(iter(parties[0]), None)
    if first is None:
        raise UsageError("--key-file or --sponsor-key-file is the key of who registers them")
    async with ask.client_of(args, age_ms_max=None) as client:
        control, facts = _template(args, (first.did or first.own_did,))
        for line in control_words(control):
            print(line)
        digest = template_digest(control, facts)
        size = min(args.batch, (client.genesis.params.tx_bytes_max - _REST_BYTES) // _DEVICE_BYTES)
        started, total = time.monotonic(), len(held.keys)
        for begin in range(0, total, size):
            part = range(begin, min(begin + size, total))
            dids = [bid.did_of(SUITE, held.keys[at]) for at in part]
            if await _are_registered(client, dids):
                print(f"{part.stop:,} of {total:,}: on the chain already", flush=True)
                continue
            messages = [device_message(genesis_hash(client.genesis), did, digest) for did in dids]
            public = [held.keys[at] for at in part]
            if keys is None:
                made = [held.signatures[at] for at in part]
                _check(begin, public, made, messages)
            else:
                made = [sign(keys[at], message) for at, message in zip(part, messages, strict=True)]
            arguments = (control_value(control), facts_value(facts), b"".join(public), b"".join(made))
            await act(args, client, Invocation(NAME, "create_many", arguments), (), parties)
            print(f"{part.stop:,} of {total:,} after {time.monotonic() - started:.1f} s", flush=True)


async def _are_registered(client: Client, dids: Sequence[str]) -> bool:
    """Whether a transaction with these devices was applied before: its first and its last are there, or neither."""
    ends = [(await client.state(NAME, identity_key(did))).fact.value is not None for did in (dids[0], dids[-1])]
    if ends[0] != ends[1]:
        raise Rejected(ALREADY_EXISTS, f"of the devices from {dids[0]} to {dids[-1]} some are registered: take the --batch of before")
    return ends[0]


def _check(begin: int, keys: Sequence[bytes], signatures: Sequence[bytes], messages: Sequence[bytes]) -> None:
    """Malformed(BAD_SIGNATURE) names the first device that has signed something else, before a node is asked."""
    items = [(SUITE, key, signature, message) for key, signature, message in zip(keys, signatures, messages, strict=True)]
    wrong = verify_many(items).find(0)
    if wrong >= 0:
        raise Malformed(BAD_SIGNATURE, f"device {begin + wrong + 1} of the file has not signed this chain, control and services")
