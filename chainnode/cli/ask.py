"""`chainnode status|submit|anchor|query`: talk to a node; what it proves is verified here before it is shown."""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from chainnode import bundlewords
from chainnode.bid import normalise
from chainnode.cli.desk import Desk, node_url
from chainnode.cli.keys import read_passphrase
from chainnode.cli.resultwords import result_words
from chainnode.cli.usage import UsageError, check_readable, reading_words
from chainnode.cli.verify import Subparsers, fact_lines
from chainnode.client.anchoring import digest_of
from chainnode.client.client import Client
from chainnode.client.failures import TransactionFailed
from chainnode.client.otherchain import OtherChain
from chainnode.client.proved import Proved
from chainnode.client.signing import Signer
from chainnode.errors import Malformed, Rejected
from chainnode.genesisfile import genesis_from_json
from chainnode.node.homes import load_genesis, load_key
from chainnode.types.bundle import EvidenceFact, HeaderFact, StateFact, TransactionFact
from chainnode.types.codes import BAD_ARGUMENTS, NOT_FOUND, WRONG_CHAIN
from chainnode.types.limits import ANCHOR_RECORDS
from chainnode.types.transaction import Invocation, Value
from contracts import chains, identityrecords
from contracts.packagecodes import unit_key
from contracts.receiptrecords import receipt_key

AnyProved = Proved[StateFact] | Proved[EvidenceFact] | Proved[TransactionFact] | Proved[HeaderFact]
Question = Callable[[Client | OtherChain], Awaitable[AnyProved]]

DEFAULT_URL = "http://127.0.0.1:26657"
_ANY_AGE_MS = 2**62  # of an answer, whose time is shown
_OF_STATE = ("receipt", "package", "identity", "state")
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
    anchor.add_argument("--binary", action="store_true", help="write the proofs in their binary form, as FILE.proof.bundle")
    anchor.set_defaults(run=_anchor)
    query = subparsers.add_parser("query", help="ask for something and check its proof", description=_query.__doc__)
    query.add_argument("what", choices=(*_OF_STATE, "evidence", "transaction", "header"))
    query.add_argument("name", help="receipt id, package code, did:bid, STORE/KEY-IN-HEX, digest or file, transaction id, or height")
    query.add_argument("--height", type=int, metavar="H", help="of what is state: as it was after block H (default: now)")
    query.add_argument("--save", type=Path, metavar="FILE", help="keep the bundle")
    query.add_argument("--binary", action="store_true", help="keep it in its binary form")
    query.add_argument(
        "--via", type=node_url, metavar="URL", help="a node of the main chain, whose genesis --genesis then is: prove it in two hops"
    )
    query.add_argument("--ac", metavar="NUMBER", help="with --via: the AC number of the chain that --url is a node of")
    query.set_defaults(run=_query)
    for parser in (status, submit, anchor, query):
        add_node_option(parser)
    for parser in (submit, anchor):
        parser.add_argument(
            "--key", "--key-file", action="append", required=True, type=Path, metavar="FILE", help="sealed key; once per signer"
        )
        parser.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its first line; else environment or prompt")
    for parser in (submit, anchor, query):
        parser.add_argument("--genesis", type=Path, metavar="FILE", help="the chain's genesis.json; without it the node's word is taken")


def add_node_option(parser: argparse.ArgumentParser) -> None:
    """The node that is asked, as `args.url`."""
    parser.add_argument(
        "--url", "--node", dest="url", type=node_url, default=DEFAULT_URL, metavar="URL", help=f"the node's API (default {DEFAULT_URL})"
    )


def _status(args: argparse.Namespace) -> int:
    """Print the node's status as JSON."""
    print(json.dumps(Desk(args.url).get("/v1/status"), indent=2, ensure_ascii=False))
    return 0


def _submit(args: argparse.Namespace) -> int:
    """Sign and submit one call, wait for its block, print what it returned. The first --key is the sender."""
    with reading_words():
        try:
            arguments = tuple(_value(item) for item in _list(json.loads(args.arguments)))
        except (ValueError, RecursionError) as error:
            raise Malformed(BAD_ARGUMENTS, f"the arguments are not a JSON list: {error}") from error
    asyncio.run(_submit_call(args, Invocation(args.contract, args.method, arguments), _signers(args)))
    return 0


async def _submit_call(args: argparse.Namespace, call: Invocation, signers: list[Signer]) -> None:
    async with client_of(args) as client:
        try:
            done = await client.submit(call, *signers)
        except TransactionFailed as failed:
            print(f"transaction {failed.tx_id.hex()} in block {failed.height}")
            raise
        print(f"transaction {done.tx_id.hex()} in block {done.height}")
        print(result_words(call, done.values[0]))


def _anchor(args: argparse.Namespace) -> int:
    """Record the SHA-256 of each file, with its name, and write a proof bundle for each once it can be proved."""
    for path in args.files:
        check_readable(path)
    asyncio.run(_anchor_files(args, _signers(args)))
    return 0


async def _anchor_files(args: argparse.Namespace, signers: list[Signer]) -> None:
    async with client_of(args) as client:
        for begin in range(0, len(args.files), ANCHOR_RECORDS):
            part = args.files[begin : begin + ANCHOR_RECORDS]
            for path, proof in zip(part, await client.anchor(part, *signers), strict=True):
                target = (args.proofs or path.parent) / f"{path.name}.proof.{'bundle' if args.binary else 'json'}"
                target.parent.mkdir(parents=True, exist_ok=True)
                keep(proof, target, is_binary=args.binary)
                print(f"{path}: block {proof.fact.height}, proof verified, kept in {target}", flush=True)


def _query(args: argparse.Namespace) -> int:
    """Fetch the value or the absence of what is asked for, verify its proof against the genesis, and say what it proves.

    With --via the proof has two hops: from the main chain's genesis to a header of the other chain that the main chain holds, or that
    leads down from one that it holds.
    """
    if (args.via is None) != (args.ac is None):
        raise UsageError("--via and --ac go together")
    if args.ac is not None and not chains.is_ac(args.ac):
        raise UsageError(f"--ac: {args.ac!r} is no AC number: four small letters or digits")
    if args.height is not None and args.what not in _OF_STATE:
        raise UsageError(f"--height goes with {', '.join(_OF_STATE)}")
    with reading_words():
        question = _question(args.what, args.name, args.height)
    answer = asyncio.run(_ask(args, question))
    assert answer.verified is not None
    for sentence in (*fact_lines(answer.verified), *bundlewords.hop_words(answer.verified), *bundlewords.trust_words(answer.verified)):
        print(sentence)
    if args.save is not None:
        keep(answer, args.save, is_binary=args.binary)
    return 0


async def _ask(args: argparse.Namespace, question: Question) -> AnyProved:
    if args.via is None:
        async with client_of(args) as client:
            return await question(client)
    async with client_of(args, url=args.via) as client:
        other = client.anchored(args.ac, [args.url])
        await _check_chain(args, other)
        return await question(other)


async def _check_chain(args: argparse.Namespace, other: OtherChain) -> None:
    """Say at once when the options do not fit: what fails later tells of proofs alone. The other chain's node is taken at its word."""
    try:
        anchor = (await other.anchor()).fact
    except Rejected as error:
        if error.code is not NOT_FOUND:
            raise
        raise Rejected(NOT_FOUND, f"{error.detail} on the chain of {args.via} (--via), which should be the main chain") from error
    status = await asyncio.to_thread(Desk(args.url).get, "/v1/status")
    chain_id = status.get("chain_id") if isinstance(status, dict) else None
    if chain_id != anchor.chain_id:
        its = f"{args.url} (--url) is a node of {chain_id}"
        raise Rejected(WRONG_CHAIN, f"{args.ac} (--ac) is the chain {anchor.chain_id} by what the main chain says, and {its}")


def keep(proof: AnyProved, target: Path, *, is_binary: bool) -> None:
    """Write a bundle to a file in one of its forms."""
    target.write_bytes(proof.bundle_bytes if is_binary else proof.bundle_json.encode())


def _question(what: str, name: str, height: int | None) -> Question:
    """What the command line asks of a client."""
    if what == "receipt":
        return lambda client: client.state("receipts", receipt_key(name), height)
    if what == "package":
        package = unit_key(name)
        return lambda client: client.state("goods", package, height)
    if what == "identity":
        identity = identityrecords.identity_key(normalise(name))
        return lambda client: client.state(identityrecords.NAME, identity, height)
    if what == "evidence":
        digest = bytes.fromhex(name) if _HASH.fullmatch(name) else digest_of(Path(name))
        return lambda client: client.evidence(digest)
    if what == "transaction":
        if not _HASH.fullmatch(name):
            raise Malformed(BAD_ARGUMENTS, "a transaction id has 64 hexadecimal digits")
        return lambda client: client.transaction(bytes.fromhex(name))
    if what == "header":
        if not (name.isascii() and name.isdigit()) or len(name) > 18:
            raise Malformed(BAD_ARGUMENTS, "a header is asked for by its height")
        return lambda client: client.header(int(name))
    store, _, text = name.partition("/")
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if not store or not key:
        raise Malformed(BAD_ARGUMENTS, "name a state key as STORE/KEY-IN-HEX")
    return lambda client: client.state(store, key, height)


def client_of(args: argparse.Namespace, age_ms_max: int | None = _ANY_AGE_MS, *, url: str | None = None) -> Client:
    """A client that trusts the genesis file given, or, with a warning, the node's. A node that is not there is told at once.

    `url` is asked in the place of `args.url`.
    """
    url = url or args.url
    desk = Desk(url)
    if args.genesis is None:
        option = "--main-genesis" if hasattr(args, "main_genesis") else "--genesis"
        print(f"chainnode: no {option} given, so the node itself says which chain this is", file=sys.stderr)
        genesis = genesis_from_json(json.dumps(desk.get("/v1/genesis")))
    else:
        genesis = load_genesis(args.genesis)
        desk.get("/v1/status")
    return Client([url], genesis, age_ms_max=age_ms_max)


def _signers(args: argparse.Namespace) -> list[Signer]:
    passphrase = read_passphrase(args.passphrase_file, is_new=False)
    return [Signer(load_key(path, passphrase)) for path in args.key]


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
