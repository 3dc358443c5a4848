"""Chains, applications, appeals and reports in JSON, and in words how well this ledger follows a chain."""

from dataclasses import dataclass

from chainnode.api.forms import Json
from chainnode.did.chainapplication import Appeal, Application
from chainnode.did.chainfeeds import Report
from chainnode.did.chainform import ARCHITECTURES, info, wish_of
from chainnode.did.chainrecord import ChainRecord
from chainnode.did.chainrecord import time_text as _time
from chainnode.rfc3339 import time_to_text
from chainnode.types.block import KEY_TYPE_NAMES, ValidatorSet
from chainnode.types.limits import CHAIN_LATE_MS
from contracts import chainapplications, chainchanges, chainreports, chains, clients
from contracts.clientrecords import ClientRecord

NS_PER_MS = 1_000_000
_LATE_MINUTES = CHAIN_LATE_MS // 60_000
OK, LATE, OWN = "ok", "late", "own"
HEALTH = {
    OK: f"a header of the last {_LATE_MINUTES} minutes is verified here",
    LATE: f"no header of the last {_LATE_MINUTES} minutes is verified here",
    clients.EXPIRED: "no header came in time to go on from: nothing newer is verified until the council recovers the light client",
    clients.FROZEN: "the light client was frozen and verifies nothing more: its chain contradicted itself, or was revoked",
    OWN: "no light client follows this chain here: it is the one that you ask",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """A chain with its light client and the client's status, at one block time."""

    record: ChainRecord
    client: ClientRecord | None
    status: str
    time_ms: int

    @property
    def lag_ms(self) -> int | None:
        """How old the newest verified header is, or the genesis when there is none."""
        return None if self.client is None else max(0, self.time_ms - self.client.latest_time_ns // NS_PER_MS)

    @property
    def health(self) -> str:
        """One of HEALTH."""
        if self.client is None or self.lag_ms is None:
            return OWN
        if self.status != clients.ACTIVE:
            return self.status
        return OK if self.client.updates and self.lag_ms <= CHAIN_LATE_MS else LATE


@dataclass(frozen=True, slots=True)
class Compared:
    """A report, with the heights that verified headers cover, and those that they contradict."""

    report: Report
    covered: tuple[int, ...]
    contradicted: tuple[int, ...]


def short_json(seen: Seen) -> dict[str, Json]:
    """A row of the list of chains."""
    one = seen.record
    health: dict[str, Json] = {"word": seen.health, "meaning": HEALTH[seen.health]}
    return {
        "ac": one.ac,
        "did": one.did,
        "chain_id": one.chain_id,
        "name": one.name,
        "operator": one.operator,
        "status": one.status,
        "is_open": one.is_open_at(seen.time_ms),
        "closed_because": one.closed_because(seen.time_ms) or None,
        "expires": _time(one.expires_ms) if one.expires_ms else None,
        "client_id": one.client_id or None,
        "lag_ms": seen.lag_ms,
        "health": health,
    }


def whole_json(seen: Seen) -> dict[str, Json]:
    """All that is on record of a chain, and of the light client that follows it."""
    one, permit = seen.record, seen.record.permit
    said = {"number": permit.number, "filing": permit.filing, "authority": permit.authority, "valid_until": permit.valid_until}
    permit_json: dict[str, Json] = {name: text or None for name, text in said.items()}
    changed: dict[str, Json] = {"height": one.height, "time": _time(one.time_ms), "by": one.by}
    return {
        **short_json(seen),
        "industry": one.industry,
        "architecture": ARCHITECTURES.get(one.architecture, one.architecture),
        "gateways": [*one.gateways],
        "endpoints": [*one.endpoints],
        "ttl_s": one.ttl_s,
        "permit": permit_json,
        "application": one.application,
        "reason": one.reason,
        "version": one.sequence,
        "created": _time(one.created_ms),
        "changed": changed,
        "genesis_hash": one.genesis_hash.hex(),
        "genesis_time": time_to_text(one.genesis_time_ns),
        "trusting_period_ms": one.trusting_period_ms,
        "validators": _validators(one.validators),
        "client": _client_json(seen),
        "anchor": _anchor_json(seen),
        "key": chains.chain_key(one.ac).hex(),
    }


def _client_json(seen: Seen) -> Json:
    client = seen.client
    if client is None:
        return None
    return {
        "id": client.client_id,
        "kind": client.kind,
        "trust": client.trust,
        "status": seen.status,
        "reason": client.reason or None,
        "updates": client.updates,
        "relayers": [*client.relayers],
    }


def _anchor_json(seen: Seen) -> Json:
    """The newest header that the light client has verified; null before the first."""
    client = seen.client
    if client is None or not client.updates:
        return None
    received: dict[str, Json] = {"height": client.updated_height, "time": _time(client.updated_ms)}
    return {"height": client.latest.height, "time": time_to_text(client.latest_time_ns), "received": received}


def feed_json(one: Compared) -> dict[str, Json]:
    """A report without its content. It is the chain's own word unless a verified header covers each block that it names."""
    report = one.report
    is_covered = not one.contradicted and chainreports.is_covered(report.feed, report.content, one.covered)
    return {
        "feed": report.feed,
        "self-reported": not is_covered,
        "covered": [*one.covered],
        "contradicted": [*one.contradicted],
        "by": report.by,
        "height": report.height,
        "time": _time(report.time_ms),
        "digest": report.digest.hex(),
        "key": chainreports.report_key(report.ac, report.feed).hex(),
    }


def appeal_json(one: Appeal) -> dict[str, Json]:
    """An appeal with its answer."""
    return {
        "number": one.number,
        "status": one.status,
        "text": one.text,
        "evidence": one.evidence.hex() or None,
        "by": one.by,
        "height": one.height,
        "time": _time(one.time_ms),
        "reason": one.reason or None,
        "answered_height": one.answered_height or None,
        "key": chainchanges.appeal_key(one.ac, one.number).hex(),
    }


def application_json(one: Application) -> dict[str, Json]:
    """An application without its form."""
    return {
        "number": one.number,
        "status": one.status,
        "operator": one.operator,
        "name": info(one.form, "name"),
        "wish": wish_of(one.form),
        "ac": one.ac or None,
        "chain_id": one.beginning.chain_id,
        "genesis_hash": one.beginning.genesis_hash.hex(),
        "ttl_s": one.ttl_s,
        "evidence": [each.hex() for each in one.evidence],
        "height": one.height,
        "time": _time(one.time_ms),
        "reason": one.reason or None,
        "by": one.by or None,
        "decided_height": one.decided_height or None,
        "key": chainapplications.application_key(one.number).hex(),
    }


def beginning_json(one: Application) -> dict[str, Json]:
    """How the chain of an application begins, for who compares it with a genesis file."""
    first = one.beginning
    return {
        "genesis_time": time_to_text(first.time_ns),
        "trusting_period_ms": first.trusting_period_ms,
        "validators": _validators(first.validators),
    }


def _validators(validators: ValidatorSet) -> list[Json]:
    return [
        {"type": KEY_TYPE_NAMES[one.public_key.type], "key": one.public_key.data.hex(), "power": str(one.power)}
        for one in validators.validators
    ]
