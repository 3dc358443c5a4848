"""Who signs a change of a DID: the key files of the command line, the DIDs that they speak for, and drafts for those who are elsewhere."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chainnode import bid
from chainnode.cli import ask
from chainnode.cli.didrecord import record_of
from chainnode.cli.didwords import draft_words
from chainnode.cli.keys import PASSPHRASE_VARIABLE, read_passphrase
from chainnode.cli.resultwords import result_words
from chainnode.cli.usage import UsageError, argument
from chainnode.client.client import Client
from chainnode.client.failures import TransactionFailed
from chainnode.client.outcomes import TransactionReceipt
from chainnode.client.signing import LIFETIME_MS, Signer, TransactionDraft, draft_from_bytes, make_draft
from chainnode.crypto.suites import PrivateKey
from chainnode.did.record import INVOCATION, Identity
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed, Rejected
from chainnode.node.homes import load_genesis, load_key
from chainnode.rfc3339 import time_to_text
from chainnode.storage.files import save_new
from chainnode.types.codes import KEY_NOT_AUTHORISED, SIGNER_MISSING
from chainnode.types.limits import DRAFT_BYTES_MAX, TX_SIGNERS_MAX
from chainnode.types.transaction import Invocation

_MARGIN_MS = 10_000  # of the life of a draft, for clocks that differ
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Party:
    """A key that was opened. `did` is the one that it is to sign for, None: whichever it speaks for."""

    key: PrivateKey
    did: str | None
    file: Path

    @property
    def own_did(self) -> str:
        """The DID that the key is the hash of."""
        return bid.did_of(self.key.suite, self.key.public)


Keys = tuple[list[Party], Party | None]  # the signers', and the sponsor's


def add_node_options(parser: argparse.ArgumentParser) -> None:
    """The node that is asked, and the chain that it must be of."""
    ask.add_node_option(parser)
    parser.add_argument("--genesis", type=Path, metavar="FILE", help="the chain's genesis.json; without it the node's word is taken")


def add_passphrase_option(parser: argparse.ArgumentParser) -> None:
    """Where passphrases come from."""
    parser.add_argument(
        "--passphrase-file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help=f"its first line; once for all keys, or once for each, the sponsor's last; else {PASSPHRASE_VARIABLE} or a prompt",
    )


def add_signing_options(parser: argparse.ArgumentParser, *, needs_key: bool = False) -> None:
    """Who signs here, who pays, and who signs elsewhere."""
    add_node_options(parser)
    parser.add_argument(
        "--key-file",
        "--key",
        dest="key_files",
        action="append",
        default=[],
        required=needs_key,
        metavar="[DID=]FILE",
        help="sealed key of a signer; again for each. It signs for the DID that it speaks for, or for the one named",
    )
    parser.add_argument("--sponsor-key-file", metavar="[DID=]FILE", help="sealed key of who sends the transaction, and holds a role")
    add_passphrase_option(parser)
    elsewhere = parser.add_argument_group("when signers sit elsewhere")
    elsewhere.add_argument("--offline-sign", type=Path, metavar="OUT", help="send nothing: write the transaction, for `did cosign`")
    elsewhere.add_argument(
        "--signer", action="append", default=[], type=argument(bid.normalise), metavar="DID", help="who has yet to sign; again for each"
    )
    elsewhere.add_argument("--sponsor", type=argument(bid.normalise), metavar="DID", help="who has yet to sign as the sender")


def open_keys(args: argparse.Namespace) -> Keys:
    """The signers' keys, and the sponsor's. UsageError when the options do not fit together."""
    if (args.signer or args.sponsor) and args.offline_sign is None:
        raise UsageError("--signer and --sponsor name who signs elsewhere: they go with --offline-sign")
    if args.sponsor and args.sponsor_key_file:
        raise UsageError("the sponsor signs here (--sponsor-key-file) or elsewhere (--sponsor), not both")
    names = [*args.key_files, *([args.sponsor_key_file] if args.sponsor_key_file else [])]
    files = list(args.passphrase_file)
    if len(files) > 1 and len(files) != len(names):
        raise UsageError(f"{len(files)} passphrase files for {len(names)} keys: give one, or one for each")
    passphrases = [read_passphrase(file, is_new=False) for file in files] or ([read_passphrase(None, is_new=False)] if names else [])
    if len(passphrases) == 1:
        passphrases *= len(names)
    parties = [_open(name, passphrase) for name, passphrase in zip(names, passphrases, strict=True)]
    return (parties[:-1], parties[-1]) if args.sponsor_key_file else (parties, None)


def _open(name: str, passphrase: str) -> Party:
    did, mark, file = name.partition("=")
    if not mark or not did.startswith(bid.PREFIX):
        did, file = "", name
    return Party(load_key(Path(file), passphrase), bid.normalise(did) if did else None, Path(file))


def deciders(one: Identity) -> tuple[str, ...]:
    """The DIDs whose signatures a change takes, or some of them."""
    return one.document.control.controllers or (one.did,)


async def act(
    args: argparse.Namespace, client: Client, call: Invocation, candidates: Sequence[str], parties: Keys
) -> TransactionReceipt | None:
    """Sign a call for those of the candidates that the keys speak for, and submit it; None when it was written for others to sign.

    The sponsor is the sender, else the first who signs. Rejected(KEY_NOT_AUTHORISED) for a key that speaks for none of them.
    """
    keys, sponsor = parties
    signers = [signer for party in keys for signer in await _signers(client, party, candidates)]
    first = [] if sponsor is None else [Signer(sponsor.key, sponsor.did)]
    elsewhere = list(args.signer)
    senders = [args.sponsor] if args.sponsor else [one.did for one in first]
    dids = list(dict.fromkeys((*senders, *(one.did for one in signers), *elsewhere)))
    if not dids:
        raise UsageError("nobody signs: give --key-file, or --signer with --offline-sign")
    if len(dids) > TX_SIGNERS_MAX:
        raise UsageError(f"{len(dids)} signers; a transaction has at most {TX_SIGNERS_MAX}")
    lifetime_ms = LIFETIME_MS if args.offline_sign is None else max(LIFETIME_MS, client.genesis.params.tx_lifetime_ms_max - _MARGIN_MS)
    draft = make_draft(client.genesis.chain_id, genesis_hash(client.genesis), dids, (call,), lifetime_ms=lifetime_ms)
    for one in (*first, *signers):
        draft = draft.sign(one)
    if args.offline_sign is not None:
        save_draft(args.offline_sign, draft)
        return None
    return await send(client, draft)


async def _signers(client: Client, party: Party, candidates: Sequence[str]) -> list[Signer]:
    """The candidates that a key speaks for; the one that was named with it, in any case."""
    if party.did is not None:
        return [Signer(party.key, party.did)]
    found = [did for did in candidates if await _speaks(client, party, did)]
    if not found and candidates:
        raise Rejected(KEY_NOT_AUTHORISED, f"the key in {party.file} speaks for none of {', '.join(candidates)}")
    return [Signer(party.key, did) for did in found or (party.own_did,)]


async def _speaks(client: Client, party: Party, did: str) -> bool:
    """Whether a key signs for a DID: its document lists the key for that, or there is none and the DID is the key's own."""
    one, key = await record_of(client, did), party.key
    if one is None:
        return bid.is_did_of(did, key.suite, key.public)
    return any((method.kind, method.key) == (key.suite, key.public) and method.purposes & INVOCATION for method in one.document.methods)


async def send(client: Client, draft: TransactionDraft) -> TransactionReceipt:
    """Submit, wait, and say where it went; also when a rule refused it there."""
    try:
        done = await client.submit(draft.encode())
    except TransactionFailed as failed:
        print(f"transaction {failed.tx_id.hex()} in block {failed.height}")
        raise
    print(f"transaction {done.tx_id.hex()} in block {done.height}", flush=True)
    return done


# Drafts


def save_draft(path: Path, draft: TransactionDraft) -> None:
    """Write a draft to a new file, and say who has yet to sign, and until when. It holds no secret."""
    try:
        save_new(path, draft.to_bytes(), mode=0o644)
    except FileExistsError as error:
        raise UsageError(f"{path} is there already; move it away if you mean it") from error
    tell_missing(path, draft)


def load_draft(args: argparse.Namespace) -> TransactionDraft:
    """The draft in the file that is named, with its signatures checked."""
    if args.genesis is None:
        raise UsageError("--genesis FILE says which chain the transaction is for")
    try:
        with args.file.open("rb") as opened:
            content = opened.read(DRAFT_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {args.file}: {error.strerror}") from error
    genesis = load_genesis(args.genesis)
    try:
        return draft_from_bytes(content, genesis)
    except Malformed as error:
        raise Malformed(error.code, f"{args.file} is no transaction to be signed: {error.detail}") from error


def tell_missing(path: Path, draft: TransactionDraft) -> None:
    """Who has yet to sign."""
    state = f"to be signed by {', '.join(draft.missing)}" if draft.missing else "all have signed"
    print(f"{path}: {state}; it can be sent until {time_to_text(draft.body.valid_until_ms // 1000 * 1000 * _NS_PER_MS)}")


def run_cosign(args: argparse.Namespace) -> int:
    """Say what a transaction does, and sign it with the keys given; without a key, only say it. Asks nobody."""
    draft = load_draft(args)
    for line in draft_words(draft):
        print(line)
    if not args.key_files:
        tell_missing(args.file, draft)
        return 0
    for party in open_keys(args)[0]:
        draft = draft.sign(Signer(party.key, party.did))
    content = draft.to_bytes()
    part = args.file.with_name(f".{args.file.name}.{time.monotonic_ns()}.part")
    part.write_bytes(content)
    part.replace(args.file)
    tell_missing(args.file, draft)
    return 0


async def send_file(args: argparse.Namespace) -> None:
    """Submit the draft in a file, and print what its calls returned; or print the transaction, for another program to submit."""
    draft = load_draft(args)
    if draft.missing:
        raise Rejected(SIGNER_MISSING, f"{args.file} is not signed by {', '.join(draft.missing)}")
    if args.only_print:
        print(draft.encode().hex())
        return
    async with ask.client_of(args, age_ms_max=None) as client:
        done = await send(client, draft)
        for call, value in zip(draft.body.calls, done.values, strict=False):
            print(result_words(call, value))
