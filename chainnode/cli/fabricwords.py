"""What blocks of Fabric prove, in words and as JSON: the trust with which it begins, facts, refusals, what goes on record."""

from pathlib import Path

from chainnode.cli.fabricreading import Followed, Judged
from chainnode.cli.plainwords import named
from chainnode.foreign.fabric import ATTESTED, HEADER_QUORUM, FabricFact, FabricRefusal, FabricTrust
from chainnode.types.limits import EVIDENCE_META_BYTES_MAX

Json = None | bool | int | str | list["Json"] | dict[str, "Json"]
_WRITES_SHOWN = 8
_CLASSES = {
    ATTESTED: "one orderer's word makes a block of this channel, so its order is believed, not proved",
    HEADER_QUORUM: "a quorum of the channel's consenters has signed the block",
}
NOT_PROVED = "that peers applied it: their verdict stands in the block unsigned"


def trust_lines(trust: FabricTrust, *, is_compared: bool) -> list[str]:
    """Where trust begins."""
    compared = "which is the one of --config-hash" if is_compared else "compare it with what its operators say"
    return [f"Channel {named(trust.config.channel)} is trusted from block {trust.number} on, hash {trust.hash.hex()}: {compared}."]


def fact_lines(path: Path, one: Judged) -> list[str]:
    """One transaction: what is proved, or why nothing."""
    place = f"{path}, block {one.block_number}, transaction {one.index}"
    if isinstance(one, FabricRefusal):
        return [f"{place}: PROVES NOTHING ({one.code.name})", *([f"  id {named(one.tx_id)}"] if one.tx_id else []), f"  {one.detail}"]
    return [
        f"{place}: PROVED",
        f"  channel {named(one.channel)}, chaincode {named(one.chaincode)}, id {one.tx_id}",
        f"  made by {named(one.creator)}, endorsed by {', '.join(map(named, one.endorsers)) or 'nobody'}",
        *_result_lines(one),
        f"  digest {one.digest.hex()}",
        f"  trust: {one.trust}: {_CLASSES[one.trust]}",
        f"  Not proved: {NOT_PROVED}.",
    ]


def fact_json(path: Path, one: Judged) -> dict[str, Json]:
    """The same for programs."""
    place: dict[str, Json] = {"file": str(path), "block": one.block_number, "index": one.index, "tx_id": one.tx_id}
    if isinstance(one, FabricRefusal):
        return {**place, "proved": False, "code": one.code.name, "reason": one.detail}
    return {
        **place,
        "proved": True,
        "channel": one.channel,
        "block_hash": one.block_hash.hex(),
        "chaincode": one.chaincode,
        "creator": one.creator,
        "endorsers": list(one.endorsers),
        "reads": len(one.results.reads),
        "writes": [
            {"namespace": write.namespace, "key": write.key, "value": None if write.value is None else write.value.hex()}
            for write in one.results.writes
        ],
        "written": list(one.results.written),
        "results_hash": one.results_hash.hex(),
        "digest": one.digest.hex(),
        "trust": one.trust,
        "trust_words": _CLASSES[one.trust],
        "not_proved": [NOT_PROVED],
    }


def summary(trust: FabricTrust, found: Followed) -> dict[str, Json]:
    """Where trust began, and how far the channel was followed."""
    return {
        "channel": trust.config.channel,
        "trusted_block": trust.number,
        "trusted_hash": trust.hash.hex(),
        "up_to_block": found.trust.number,
        "trust": found.trust.trust_class,
        "proved": len(found.judged) - len(found.refusals),
        "prove_nothing": len(found.refusals),
        "broken": None if found.broken is None else found.broken.code.name,
    }


def description(one: FabricFact) -> str:
    """What stands on the evidence log beside the digest: where it is from, and how far that is to be believed."""
    place = f"Fabric (trust: {one.trust}): channel {one.channel}, block {one.block_number}, transaction {one.index}, id {one.tx_id}"
    said = f"{place}, chaincode {one.chaincode}, endorsed by {', '.join(one.endorsers)}"
    return said.encode()[:EVIDENCE_META_BYTES_MAX].decode(errors="ignore")


def _result_lines(one: FabricFact) -> list[str]:
    writes = one.results.writes
    lines = [f"  reads {len(one.results.reads)}, writes {len(writes)}, SHA-256 of its read-write set {one.results_hash.hex()}"]
    for write in writes[:_WRITES_SHOWN]:
        what = "is deleted" if write.value is None else f"{len(write.value)} bytes"
        lines.append(f"    {named(write.namespace)} {named(write.key)}: {what}")
    if len(writes) > _WRITES_SHOWN:
        lines.append(f"    and {len(writes) - _WRITES_SHOWN} more")
    unseen = [name for name in one.results.written if name not in {write.namespace for write in writes}]
    return lines + ([f"    hashes or metadata alone: {', '.join(map(named, unseen))}"] if unseen else [])
