"""`chainnode status|submit|anchor|query`: talk to a node; what it proves is verified here before it is shown."""

import argparse
import hashlib
import json
import re
import sys
import time
from pathlib import Path

from chainnode import bundlewords
from chainnode.bundle import verify_bundle
from chainnode.bundlejson import bundle_from_json
from chainnode.cli.desk import Desk
from chainnode.cli.keys import read_passphrase
from chainnode.cli.verify import Subparsers
from chainnode.client.signing import Signer
from chainnode.errors import Malformed
from chainnode.genesisfile import genesis_from_json
from chainnode.node.homes import load_key
from chainnode.node.node import load_genesis
from chainnode.types.bundle import Verified
from chainnode.types.codes import BAD_ARGUMENTS
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX
from chainnode.types.transaction import Invocation, Value
from contracts.packagecodes import unit_key
from contracts.receiptrecords import receipt_key

DEFAULT_URL = "http://127.0.0.1:26657"
RECORDS_PER_TX = 100
_CHUNK_BYTES = 1024 * 1024
_HASH = re.compile("[0-9a-fA-F]{64}")


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add the commands."""
    status = subparsers.add_parser("status", help="where a node stands")
    status.set_defaults(run=_status)
    submit = subparsers.add_parser("submit", help="sign and submit one call of a contract", description=_submit.__doc__)
    submit.add_argument("contract")
    submit.add_argument("method")
    submit.add_argument("arguments", nargs="?", default="[]", help='JSON list; {"hex": "…"} stands for bytes')
    submit.set_defaults(run=_submit)
    anchor = subparsers.add_parser("anchor", help="put files' SHA-256 on record and keep the proofs", description=_anchor.__doc__)
    anchor.add_argument("files", nargs="+", type=Path, metavar="FILE")
    anchor.add_argument("--proofs", type=Path, metavar="DIR", help="where the proofs go (default: beside each file, as FILE.proof.json)")
    anchor.set_defaults(run=_anchor)
    query = subparsers.add_parser("query", help="ask for something and check its proof", description=_query.__doc__)
    query.add_argument("what", choices=("receipt", "package", "evidence", "transaction", "state"))
    query.add_argument("name", help="receipt id, package code, digest or file, transaction id, or STORE/KEY-IN-HEX")
    query.add_argument("--save", type=Path, metavar="FILE", help="keep the bundle")
    query.set_defaults(run=_query)
    for parser in (status, submit, anchor, query):
        parser.add_argument("--url", default=DEFAULT_URL, help=f"the node's API (default {DEFAULT_URL})")
    for parser in (submit, anchor):
        parser.add_argument("--key", action="append", required=True, type=Path, metavar="FILE", help="sealed key; once per signer")
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its first line; else environment or prompt")
    for parser in (submit, anchor, query):
        parser.add_argument("--genesis", type=Path, metavar="FILE", help="the chain's genesis.json; without it the node's word is taken")


def _desk(args: argparse.Namespace) -> Desk:
    """A desk that trusts the genesis file given, or, with a warning, the node's."""
    if args.genesis is not None:
        return Desk(args.url, load_genesis(args.genesis))
    print("chainnode: no --genesis given, so the node itself says which chain this is", file=sys.stderr)
    plain = Desk(args.url, genesis=None)
    return Desk(args.url, genesis_from_json(json.dumps(plain.get("/v1/genesis"))))


def _status(args: argparse.Namespace) -> int:
    """Print the node's status as JSON."""
    print(json.dumps(Desk(args.url, genesis=None).get("/v1/status"), indent=2, ensure_ascii=False))
    return 0


def _submit(args: argparse.Namespace) -> int:
    """Sign and submit one call, wait for its block, print what it returned. The first --key is the sender."""
    desk = _desk(args)
    try:
        arguments = tuple(_value(item) for item in _list(json.loads(args.arguments)))
    except ValueError as error:
        raise Malformed(BAD_ARGUMENTS, f"the arguments are not a JSON list: {error}") from error
    done = desk.submit([Invocation(args.contract, args.method, arguments)], _signers(args))
    print(f"transaction {done.tx_id.hex()} in block {done.height}")
    if done.refusal is not None:
        raise done.refusal
    print(bundlewords.value_to_text(done.values[0]))
    return 0


def _anchor(args: argparse.Namespace) -> int:
    """Record the SHA-256 of each file, with its name, and write a proof bundle for each once it can be proved."""
    desk = _desk(args)
    signers = _signers(args)
    digests = [(path, _digest_of(path)) for path in args.files]
    for begin in range(0, len(digests), RECORDS_PER_TX):
        part = digests[begin : begin + RECORDS_PER_TX]
        records = tuple(("sha-256", digest, path.name.encode()[:EVIDENCE_META_BYTES_MAX]) for path, digest in part)
        done = desk.submit([Invocation("evidence", "record", (records,))], signers)
        if done.refusal is not None:
            raise done.refusal
        for path, digest in part:
            text = desk.bundle(f"/v1/evidence/{digest.hex()}?min_height={done.height}")
            _verified(text, desk)
            target = (args.proofs or path.parent) / f"{path.name}.proof.json"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            print(f"{path}: block {done.height}, proof verified, kept in {target}", flush=True)
    return 0


def _query(args: argparse.Namespace) -> int:
    """Fetch the value or the absence of what is asked for, verify its proof against the genesis, and say what it proves."""
    desk = _desk(args)
    text = desk.bundle(_path(args.what, args.name, desk))
    verified = _verified(text, desk)
    for sentence in bundlewords.proved(verified):
        print(sentence)
    if args.save is not None:
        args.save.write_text(text, encoding="utf-8")
    return 0


def _path(what: str, name: str, desk: Desk) -> str:
    if what == "receipt":
        return desk.state_path("receipts", receipt_key(name))
    if what == "package":
        return desk.state_path("goods", unit_key(name))
    if what == "evidence":
        digest = name.lower() if _HASH.fullmatch(name) else _digest_of(Path(name)).hex()
        return f"/v1/evidence/{digest}"
    if what == "transaction":
        if not _HASH.fullmatch(name):
            raise Malformed(BAD_ARGUMENTS, "a transaction id has 64 hexadecimal digits")
        return f"/v1/transactions/{name.lower()}?proof=bundle"
    store, _, key = name.partition("/")
    try:
        return desk.state_path(store, bytes.fromhex(key))
    except ValueError:
        raise Malformed(BAD_ARGUMENTS, "name a state key as STORE/KEY-IN-HEX") from None


def _verified(text: str, desk: Desk) -> Verified:
    assert desk.genesis is not None
    return verify_bundle(bundle_from_json(text), desk.genesis, time.time_ns())


def _signers(args: argparse.Namespace) -> list[Signer]:
    passphrase = read_passphrase(args.passphrase_file, is_new=False)
    return [Signer(load_key(path, passphrase)) for path in args.key]


def _digest_of(path: Path) -> bytes:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as opened:
            while chunk := opened.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise Malformed(BAD_ARGUMENTS, f"{path}: {error.strerror}") from error
    return digest.digest()


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise Malformed(BAD_ARGUMENTS, "the arguments are a JSON list")
    return value


def _value(item: object) -> Value:
    """A codec value from JSON: lists become arrays, {"hex": "…"} bytes, other objects maps."""
    if isinstance(item, list):
        return tuple(_value(one) for one in item)
    if isinstance(item, dict):
        if set(item) == {"hex"}:
            return bytes.fromhex(str(item["hex"]))
        return {str(name): _value(one) for name, one in item.items()}
    if item is None or isinstance(item, bool | int | str):
        return item
    raise Malformed(BAD_ARGUMENTS, f"{item!r} has no place in a transaction")
