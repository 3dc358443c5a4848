"""`chainnode did show`, and the record of a DID as this ledger holds it, whatever chain its AC number names: by it keys speak here."""

import argparse
import asyncio
import hashlib

from chainnode.cli import ask
from chainnode.cli.didwords import identity_words
from chainnode.cli.statewords import words_of
from chainnode.client.client import Client
from chainnode.client.proved import Proved
from chainnode.did.record import Identity, decode_identity, decode_superseded, encode_identity
from chainnode.errors import Rejected
from chainnode.rfc3339 import time_to_text
from chainnode.types.bundle import StateFact
from chainnode.types.codes import DEACTIVATED, NOT_FOUND
from contracts.identityrecords import NAME, identity_key, recovery_key, version_key

_NS_PER_MS = 1_000_000


async def record_of(client: Client, did: str) -> Identity | None:
    """The current version, proved; None when there is none, which is proved too."""
    return _read(await client.state(NAME, identity_key(did)))


async def current(client: Client, did: str) -> Identity:
    """The current version of a DID that is to be changed. Rejected(NOT_FOUND), Rejected(DEACTIVATED)."""
    proof = await client.state(NAME, identity_key(did))
    found = _read(proof)
    if found is None:
        raise Rejected(NOT_FOUND, f"{did} is not registered as of block {proof.fact.state_height}; `did create` does that")
    if not found.is_active:
        raise Rejected(DEACTIVATED, f"{did} was deactivated in block {found.height}, for ever")
    return found


def stamp(one: Identity) -> tuple[int, bytes]:
    """Number and SHA-256 of a version, as a change of it must name them."""
    return one.sequence, hashlib.sha256(encode_identity(one)).digest()


def run_show(args: argparse.Namespace) -> int:
    """The record in sentences, with what no document has a word for: thresholds, recovery, hash, history."""
    asyncio.run(_show(args, args.did))
    return 0


async def _show(args: argparse.Namespace, did: str) -> None:
    async with ask.client_of(args, age_ms_max=None) as client:
        proof = await client.state(NAME, identity_key(did))
        found = _read(proof)
        if found is None:
            print(_trust(proof))
            detail = f"{did} is not registered as of block {proof.fact.state_height}; its own key speaks for it; that is proved"
            raise Rejected(NOT_FOUND, detail)
        for line in identity_words(found):
            print(line)
        print(f"  SHA-256 of this version: {stamp(found)[1].hex()}")
        pending = await client.state(NAME, recovery_key(did))
        for line in words_of(pending.fact) or ("No recovery is pending.",):
            print(f"  {line}")
        if args.history:
            for number in range(found.sequence - 1, 0, -1):
                print(f"  {await _old_version(client, did, number)}")
        print(_trust(proof))


async def _old_version(client: Client, did: str, number: int) -> str:
    """One line about an earlier version, proved by itself."""
    value = (await client.state(NAME, version_key(did, number))).fact.value
    if value is None:
        raise Rejected(NOT_FOUND, f"{did} has no version {number}, which is proved and cannot be")
    old = decode_superseded(value)
    keys = ", ".join(f"#{method.fragment}" for method in old.identity.document.methods) or "none"
    return f"version {number}: of block {old.identity.height}, until {time_to_text(old.until_ms * _NS_PER_MS)}, keys {keys}"


def _read(proof: Proved[StateFact]) -> Identity | None:
    return None if proof.fact.value is None else decode_identity(proof.fact.value)


def _trust(proof: Proved[StateFact]) -> str:
    verified = proof.verified
    assert verified is not None, "the command line's client verifies"
    return (
        f"trusted: {verified.power_signed} of {verified.power_total} voting power, which signed block {verified.height} of"
        f" {verified.chain_id}, {time_to_text(verified.time_ns)}, traced to the genesis file"
    )
