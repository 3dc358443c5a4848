"""`chainnode fabric`: verify block files of Hyperledger Fabric offline, and put what they prove on the evidence log of a chain of ours."""

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from chainnode.cli import ask, following
from chainnode.cli.fabricreading import Followed, follow, read_blocks, read_policies, read_trust
from chainnode.cli.fabricwords import description, fact_json, fact_lines, summary, trust_lines
from chainnode.cli.usage import UsageError
from chainnode.cli.verify import Subparsers
from chainnode.client.signing import Signer
from chainnode.errors import Rejected
from chainnode.foreign.fabric import FabricFact, FabricTrust
from chainnode.types.codes import NOT_FOUND
from chainnode.types.limits import ANCHOR_RECORDS

PROVED, REFUSED = 0, 1
_EPILOG = """\
A config block is where trust begins: the channel's first block, or a later one with a configuration. Compare its hash, which is
printed, with what the channel's operators say, or give theirs as --config-hash."""


def add_parser(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `fabric verify|anchor` to the command line."""
    top = subparsers.add_parser(
        "fabric",
        help="verify block files of Hyperledger Fabric; put what they prove on record",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = top.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="say what block files prove, offline", description=_verify.__doc__)
    verify.add_argument("--json", action="store_true", help="print one JSON object per transaction, and one about the whole")
    verify.set_defaults(run=_verify)
    anchor = actions.add_parser(
        "anchor", help="put the digests of what they prove on record and keep the proofs", description=_anchor.__doc__
    )
    anchor.add_argument("--tx", action="append", default=[], metavar="ID", help="only this transaction; again for each (default: all)")
    anchor.add_argument("--proofs", type=Path, metavar="DIR", help="where the proofs go (default: beside each block file)")
    anchor.add_argument("--binary", action="store_true", help="write the proofs in their binary form")
    following.add_signing_options(anchor)
    anchor.set_defaults(run=_anchor)
    for action in (verify, anchor):
        action.add_argument(
            "files", nargs="+", type=Path, metavar="FILE", help="a block as `peer channel fetch` writes it, or a ledger file"
        )
        action.add_argument("--config", required=True, type=Path, metavar="BLOCKFILE", help="the config block where trust begins")
        action.add_argument("--config-hash", metavar="HASH", help="what its hash must be, from somebody whom you trust")
        action.add_argument(
            "--policy",
            action="append",
            default=[],
            metavar="CHAINCODE=N:ORG,ORG",
            help="who must endorse a chaincode: N of these organisations; again for each (default: as the channel's own blocks define)",
        )


def _verify(args: argparse.Namespace) -> int:
    """Follow a channel through its blocks and say of each transaction what it proves, or why nothing. Exit code 0: each proves something;
    1: one does not, or a block is not of the channel; 2: wrong use.
    """
    trust, found = _followed(args)
    if args.json:
        for one in found.judged:
            print(json.dumps(fact_json(found.file_of(one), one)))
        print(json.dumps(summary(trust, found)))
    else:
        print("\n".join(trust_lines(trust, is_compared=args.config_hash is not None)))
        for one in found.judged:
            print("\n".join(fact_lines(found.file_of(one), one)))
        print(_total(found))
    if found.broken is not None:
        raise found.broken
    return REFUSED if found.refusals else PROVED


def _anchor(args: argparse.Namespace) -> int:
    """Verify, then record the digest of each transaction that proves something, with a description that says where it is from, and
    write a proof bundle for each. Who has the block file computes the digest again with `fabric verify`.
    """
    signer = following.signer_of(args)
    trust, found = _followed(args)
    if found.broken is not None:
        raise found.broken
    wanted = _wanted(found, args.tx)
    print("\n".join(trust_lines(trust, is_compared=args.config_hash is not None)))
    for lost in found.refusals:
        print("\n".join(fact_lines(found.file_of(lost), lost)))
    asyncio.run(_put_on_record(args, found, wanted, signer))
    return REFUSED if found.refusals and not args.tx else PROVED


async def _put_on_record(args: argparse.Namespace, found: Followed, facts: Sequence[FabricFact], signer: Signer) -> None:
    async with ask.client_of(args) as client:
        for begin in range(0, len(facts), ANCHOR_RECORDS):
            part = facts[begin : begin + ANCHOR_RECORDS]
            proofs = await client.anchor([(one.digest, description(one)) for one in part], signer)
            for one, proof in zip(part, proofs, strict=True):
                path = found.file_of(one)
                name = f"{path.name}.{one.block_number}-{one.index}.proof.{'bundle' if args.binary else 'json'}"
                target = (args.proofs or path.parent) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                ask.keep(proof, target, is_binary=args.binary)
                print(f"{one.tx_id} (trust: {one.trust}): block {proof.fact.height}, proof verified, kept in {target}", flush=True)


def _wanted(found: Followed, ids: Sequence[str]) -> list[FabricFact]:
    """The facts that were asked for. Rejected(NOT_FOUND) when the blocks prove none of an id, or nothing at all."""
    facts = [one for one in found.judged if isinstance(one, FabricFact)]
    known = {one.tx_id for one in facts}
    for one in ids:
        if one not in known:
            raise Rejected(NOT_FOUND, f"the blocks prove no transaction {one}")
    if not facts:
        raise Rejected(NOT_FOUND, "the blocks prove no transaction")
    return [one for one in facts if not ids or one.tx_id in ids]


def _followed(args: argparse.Namespace) -> tuple[FabricTrust, Followed]:
    trust = read_trust(args.config, args.config_hash)
    policies = read_policies(args.policy)
    blocks = [(path, block) for path in args.files for block in read_blocks(path)]
    if not any(block.number >= trust.number for _, block in blocks):
        raise UsageError(f"all blocks stand below block {trust.number} of --config")
    return trust, follow(blocks, trust, policies)


def _total(found: Followed) -> str:
    facts = len(found.judged) - len(found.refusals)
    return f"Channel {found.trust.config.channel} up to block {found.trust.number}: {facts} proved, {len(found.refusals)} prove nothing."
