"""`chainnode verify`: check proof bundles offline, against the genesis file, and say in plain words what they prove."""

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes

from chainnode import bundlewords
from chainnode.bundle import verify_bundle
from chainnode.bundlebytes import bundle_from_content
from chainnode.cli import statewords
from chainnode.cli.usage import UsageError
from chainnode.errors import ChainError, Malformed
from chainnode.genesisfile import genesis_from_json
from chainnode.rfc3339 import time_from_text, time_to_text
from chainnode.types.bundle import (
    AnchoredFact,
    AnchorFact,
    EvidenceFact,
    Fact,
    HeaderFact,
    StateFact,
    TransactionFact,
    Verified,
)
from chainnode.types.genesis import Genesis
from chainnode.types.limits import BUNDLE_BYTES_MAX

PROVED, REFUSED = 0, 1

_NS_PER_MS = 1_000_000
_CHUNK_BYTES = 1024 * 1024
_HASHES = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512", "sha3-256": "sha3_256"}

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
Subparsers = argparse._SubParsersAction  # argparse has no public name for what add_subparsers returns


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `verify` to the command line."""
    parser = subparsers.add_parser(
        "verify",
        help="check proof bundles offline",
        description="Check proof bundles offline. Exit code 0: all proved; 1: one was refused, or is not about the "
        "--file or the --about given; 2: wrong use.",
    )
    parser.add_argument("bundles", nargs="+", metavar="BUNDLE", help="file with a proof bundle in either form; - reads standard input")
    parser.add_argument("--genesis", required=True, metavar="FILE", help="the chain's genesis.json, from a source that you trust")
    parser.add_argument("--trusted", metavar="HASH@HEIGHT", help="a header that you know to be the chain's; trust begins there")
    parser.add_argument("--now", metavar="TIME", help="judge as of this time, e.g. 2026-11-25T08:00:00Z (default: this machine's clock)")
    parser.add_argument("--file", metavar="PATH", help="also compare this file with the digest that an evidence bundle proves")
    parser.add_argument(
        "--about",
        metavar="THING",
        help=f"also check that a state bundle is about this: {', '.join(kind + ':NAME' for kind in statewords.THINGS)}",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per bundle")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Verify each bundle; returns the exit code. UsageError when the command line or a file is at fault, not a proof."""
    genesis = _read_genesis(args.genesis)
    trusted = None if args.trusted is None else _parse_trusted(args.trusted)
    now_ns = time.time_ns() if args.now is None else _parse_now(args.now)
    for option, value in (("--file", args.file), ("--about", args.about)):
        if value is not None and len(args.bundles) != 1:
            raise UsageError(f"{option} goes with one bundle")
    contents = [_read(name) for name in args.bundles]
    results = [_verify(content, genesis, now_ns, trusted) for content in contents]
    checks: dict[str, bool] = {}
    if args.file is not None and isinstance(results[0], Verified):
        checks["file_consistent"] = _has_digest(args.file, own_fact(results[0].fact))
    if args.about is not None and isinstance(results[0], Verified):
        checks["about"] = _is_about(args.about, own_fact(results[0].fact))
    for name, result in zip(args.bundles, results, strict=True):
        if args.json:
            print(json.dumps(_result_json(name, result, checks)))
        else:
            print("\n".join(_result_lines(name, result, checks, args.about)))
    is_refused = any(isinstance(result, ChainError) for result in results) or not all(checks.values())
    return REFUSED if is_refused else PROVED


# Reading


def _read(name: str) -> bytes:
    """What a file holds; one byte more than a bundle may have is enough to refuse it."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(BUNDLE_BYTES_MAX + 1)
        with Path(name).open("rb") as file:
            return file.read(BUNDLE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error


def _read_genesis(name: str) -> Genesis:
    try:
        return genesis_from_json(_read(name).decode("utf-8", "replace"))
    except Malformed as error:
        raise UsageError(f"{name} is not a genesis file: {error.detail}") from error


def _parse_trusted(text: str) -> tuple[bytes, int]:
    hash_text, _, height_text = text.partition("@")
    try:
        header_hash = bytes.fromhex(hash_text)
    except ValueError:
        header_hash = b""
    if len(header_hash) != 32 or not height_text.isdecimal() or int(height_text) < 1:
        raise UsageError("--trusted takes a header's hash (64 hexadecimal digits), @, and its height")
    return header_hash, int(height_text)


def _parse_now(text: str) -> int:
    try:
        return time_from_text(text)
    except Malformed as error:
        raise UsageError(f"--now: {error.detail}") from error


# Checking


def _verify(content: bytes, genesis: Genesis, now_ns: int, trusted: tuple[bytes, int] | None) -> Verified | ChainError:
    try:
        return verify_bundle(bundle_from_content(content), genesis, now_ns, trusted)
    except ChainError as error:
        return error


def _has_digest(name: str, fact: Fact) -> bool:
    """Whether a file has the digest on record."""
    if not isinstance(fact, EvidenceFact):
        raise UsageError("--file goes with an evidence bundle")
    return file_digest(name, fact.algorithm) == fact.digest


def _is_about(thing: str, fact: Fact) -> bool:
    """Whether a state fact, which names only a key, is about what people call by this name."""
    if not isinstance(fact, StateFact):
        raise UsageError("--about goes with a state bundle")
    return (fact.store, fact.key) == statewords.key_of(thing)


def file_digest(name: str, algorithm: str) -> bytes:
    """A file's digest by the name that the record gives."""
    try:
        with Path(name).open("rb") as file:
            if algorithm in _HASHES:
                return hashlib.file_digest(file, _HASHES[algorithm]).digest()
            if algorithm == "sm3":
                sm3 = hashes.Hash(hashes.SM3())
                while chunk := file.read(_CHUNK_BYTES):
                    sm3.update(chunk)
                return sm3.finalize()
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    except UnsupportedAlgorithm as error:
        raise UsageError("this machine's OpenSSL has no SM3") from error
    raise UsageError(f"cannot compute the digest '{algorithm}' that is on record")


# Telling


def _result_lines(name: str, result: Verified | ChainError, checks: dict[str, bool], thing: str | None) -> list[str]:
    if isinstance(result, ChainError):
        return [f"{name}: REFUSED ({result.code.name})", f"  {result.detail}"]
    header, *signers, trust = bundlewords.trust_words(result)
    headline = "PROVED" if all(checks.values()) else "PROVED, BUT NOT OF WHAT WAS ASKED FOR"
    lines = [f"{name}: {headline}", *(f"  {line}" for line in fact_lines(result))]
    if "file_consistent" in checks:
        lines.append(f"  The file is {'consistent' if checks['file_consistent'] else 'NOT consistent'} with the digest on record.")
    fact = own_fact(result.fact)
    if isinstance(fact, StateFact) and fact.value is None and not checks:
        lines.append("  Whose key that is, the bundle does not say; compare it: --about receipt:NAME.")
    if "about" in checks:
        lines.append(f"  This key is {'' if checks['about'] else 'NOT '}that of {bundlewords.value_to_text(thing)}.")
    lines += [f"  {line}" for line in bundlewords.hop_words(result)]
    lines += [f"  {header}", *(f"    {line}" for line in signers), f"  {trust}", "  Not proved:"]
    return lines + [f"    {line}" for line in bundlewords.not_proved(result.fact)]


def fact_lines(verified: Verified) -> tuple[str, ...]:
    """The fact in words: those of the contract that keeps it where they are known, else the plain form of its value."""
    fact = own_fact(verified.fact)
    words = statewords.words_of(fact) if isinstance(fact, StateFact) else ()
    if not words:
        return (bundlewords.fact_words(verified.fact),)
    assert isinstance(fact, StateFact)
    held = f"After block {fact.state_height}, store {fact.store} holds under key {bundlewords.key_to_text(fact.key)}:"
    return f"{bundlewords.place_words(verified.fact)}{held}", *(f"  {line}" for line in words)


def own_fact(fact: Fact) -> Fact:
    """The fact itself, on whatever chain it holds."""
    return fact.fact if isinstance(fact, AnchoredFact) else fact


def _result_json(name: str, result: Verified | ChainError, checks: dict[str, bool]) -> Json:
    if isinstance(result, ChainError):
        return {"bundle": name, "proved": False, "code": result.code.name, "reason": result.detail}
    answer: dict[str, Json] = {
        "bundle": name,
        "proved": True,
        "chain_id": result.chain_id,
        "genesis_hash": result.genesis_hash.hex(),
        "height": result.height,
        "time": time_to_text(result.time_ns),
        "header_hash": result.header_hash.hex(),
        "trusted_height": result.trusted_height,
        "path_heights": list(result.path_heights),
        "power_signed": result.power_signed,
        "power_total": result.power_total,
        "signers": [
            {"address": one.address.hex(), "operator": one.operator, "name": one.name, "power": one.power, "signed": one.has_signed}
            for one in result.signers
        ],
        "fact": _fact_json(result.fact),
        "words": list(bundlewords.proved(result)),
        "not_proved": list(bundlewords.not_proved(result.fact)),
    }
    return answer | checks


def _fact_json(fact: Fact) -> Json:
    match fact:
        case AnchorFact():
            return {"kind": "anchor", **_anchor_json(fact)}
        case AnchoredFact():
            return {
                "kind": "anchored",
                **_anchor_json(fact.anchor),
                "time": time_to_text(fact.header.time_ns),
                "links": fact.links,
                "fact": _fact_json(fact.fact),
            }
        case HeaderFact():
            return {"kind": "header", "height": fact.header.height}
        case StateFact():
            value = None if fact.value is None else fact.value.hex()
            words = None if fact.value is None else bundlewords.stored_value_to_text(fact.value)
            return {
                "kind": "state",
                "state_height": fact.state_height,
                "store": fact.store,
                "key": fact.key.hex(),
                "value": value,
                "value_words": words,
                "record_words": list(statewords.words_of(fact)),
            }
        case EvidenceFact():
            return {
                "kind": "evidence",
                "submitter": fact.submitter,
                "height": fact.height,
                "time": time_to_text(fact.time_ms * _NS_PER_MS),
                "algorithm": fact.algorithm,
                "digest": fact.digest.hex(),
                "note": bundlewords.value_to_text(fact.meta),
                "tx_id": fact.tx_id.hex(),
                "index": fact.index,
                "log_size": fact.size,
            }
        case TransactionFact():
            return {
                "kind": "transaction",
                "height": fact.height,
                "time": time_to_text(fact.time_ns),
                "tx_id": fact.transaction.tx_id.hex(),
                "signers": list(fact.transaction.body.signers),
                "result_code": fact.result_code,
                "result_data": None if fact.result_data is None else fact.result_data.hex(),
            }


def _anchor_json(one: AnchorFact) -> dict[str, Json]:
    return {
        "ac": one.ac,
        "chain_id": one.chain_id,
        "genesis_hash": one.genesis_hash.hex(),
        "status": one.status,
        "warning": one.warning,
        "client": one.client_id,
        "trust": one.trust,
        "height": one.height,
        "header_hash": one.header_hash.hex(),
        "state_height": one.state_height,
    }
