"""Block files of Fabric as the command line names them: read, put in order, followed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.usage import UsageError
from chainnode.errors import Malformed
from chainnode.foreign.fabric import FabricFact, FabricOutcome, FabricRefusal, FabricTrust, begin, verify_blocks
from chainnode.foreign.fabricbytes import Block, read_block, read_ledger_file
from chainnode.foreign.fabricpolicy import Rule, n_of
from chainnode.types.codes import FABRIC_CHAIN_BROKEN
from chainnode.types.limits import FABRIC_FILE_BYTES_MAX

Judged = FabricFact | FabricRefusal
_AT_ONCE = 64  # blocks: what is known of the channel's members is made once for so many
_POLICY = re.compile(r"([^=\s]+)=(?:([1-9][0-9]{0,2}):)?([^=:\s]+)")
_HASH = re.compile("[0-9a-fA-F]{64}")


@dataclass(frozen=True, slots=True)
class Followed:
    """What the blocks prove, in order. `broken`: why the channel could be followed no further; None: to the last block."""

    trust: FabricTrust
    judged: tuple[Judged, ...]
    broken: Malformed | None
    files: Mapping[int, Path]  # by number of the block

    @property
    def refusals(self) -> tuple[FabricRefusal, ...]:
        """The transactions that prove nothing."""
        return tuple(one for one in self.judged if isinstance(one, FabricRefusal))

    def file_of(self, one: Judged) -> Path:
        """The file that a transaction stands in."""
        return self.files[one.block_number]


def read_blocks(path: Path) -> tuple[Block, ...]:
    """The blocks of a file, be it one block or a file of a peer's ledger. UsageError when it is neither."""
    try:
        with path.open("rb") as file:
            raw = file.read(FABRIC_FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    try:
        return (read_block(raw),)
    except Malformed as single:
        try:
            found = read_ledger_file(raw)
        except Malformed as ledger:
            found, single = (), ledger if path.name.startswith("blockfile") else single
        if not found:
            raise UsageError(f"{path} is neither a block of Fabric nor a file of a peer's ledger: {single.detail}") from single
        return found


def read_trust(path: Path, wanted: str | None) -> FabricTrust:
    """Trust in a config block, whose hash is the one that is wanted. UsageError otherwise."""
    if wanted is not None and not _HASH.fullmatch(wanted):
        raise UsageError("--config-hash has 64 hexadecimal digits")
    block = read_blocks(path)[0]
    if wanted is not None and block.hash != bytes.fromhex(wanted):
        raise UsageError(f"--config: {path} has the hash {block.hash.hex()}, not the one of --config-hash")
    try:
        return begin(block)
    except Malformed as error:
        raise UsageError(f"--config: {path} is no config block: {error.detail}") from error


def read_policies(texts: Sequence[str]) -> dict[str, Rule]:
    """Who must endorse which chaincode: `goods=2:Org1MSP,Org2MSP`; without a number all of them. UsageError."""
    found: dict[str, Rule] = {}
    for text in texts:
        parts = _POLICY.fullmatch(text)
        names = [] if parts is None else parts[3].split(",")
        needed = len(names) if parts is None or parts[2] is None else int(parts[2])
        if parts is None or not all(names) or len(set(names)) != len(names) or needed > len(names) or parts[1] in found:
            raise UsageError(f"--policy {text!r}: write it as goods=2:Org1MSP,Org2MSP, once for a chaincode")
        found[parts[1]] = n_of(needed, names)
    return found


def follow(blocks: Sequence[tuple[Path, Block]], trust: FabricTrust, policies: Mapping[str, Rule]) -> Followed:
    """What the blocks above the trusted one prove, up to the first that is not of the channel. Of copies of a block one counts."""
    files: dict[int, Path] = {}
    ordered: dict[int, Block] = {}
    broken: Malformed | None = None
    for path, block in sorted(blocks, key=lambda one: one[1].number):
        known = ordered.setdefault(block.number, block)
        files.setdefault(block.number, path)
        is_trusted = block.number == trust.number and block.hash != trust.hash
        if known.hash != block.hash or is_trusted:
            broken = broken or Malformed(
                FABRIC_CHAIN_BROKEN, f"{path} holds another block {block.number} than {files[block.number]} or --config"
            )
    judged: list[Judged] = []
    ids: list[str] = []
    todo = [one for number, one in ordered.items() if number > trust.number] if broken is None else []
    size = _AT_ONCE
    while todo and broken is None:
        try:
            outcome = verify_blocks(todo[:size], trust, policies, ids)
        except Malformed as error:
            broken, size = (error, size) if size == 1 else (None, 1)  # one by one, to the one that breaks the chain
            continue
        trust, todo = outcome.trust, todo[size:]
        judged += _in_order(outcome)
        ids += [one.tx_id for one in outcome.facts]
    return Followed(trust, tuple(judged), broken, files)


def _in_order(outcome: FabricOutcome) -> list[Judged]:
    found: list[Judged] = [*outcome.facts, *outcome.refusals]
    return sorted(found, key=lambda one: (one.block_number, one.index))
