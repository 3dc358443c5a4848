"""CometBFT's JSON forms of transactions and their results (RPC of v0.38)."""

import json
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from chainnode import codec, merkle
from chainnode.api.backend import Committed, Submitted
from chainnode.api.forms import Json, code_name, tx_id_of, value_json
from chainnode.errors import Malformed
from chainnode.types.codes import OK, Code
from chainnode.types.transaction import Event, TxResult, Value

CODESPACE = "chainnode"  # whose codes those of a failure are
_RANGES_CACHED = 4096


def broadcast_form(outcome: Submitted) -> dict[str, Json]:
    """ResultBroadcastTx. What is no transaction at all has no hash."""
    return {
        "code": outcome.code.number,
        "data": "",
        "log": _why(outcome.code, outcome.detail),
        "codespace": "" if outcome.code == OK else CODESPACE,
        "hash": "" if outcome.tx_id is None else _hash(outcome.tx_id),
    }


def check_form(outcome: Submitted) -> dict[str, Json]:
    """ResponseCheckTx."""
    return _outcome_form(outcome.code.number, None, _why(outcome.code, outcome.detail), [])


def result_form(result: TxResult | None) -> dict[str, Json]:
    """ExecTxResult. None is that of a transaction that is in no block, which is empty."""
    if result is None:
        return _outcome_form(OK.number, None, "", [])
    return _outcome_form(result.code, _base64(result.data) or None, _failure(result), [_event_form(event) for event in result.events])


def block_results_form(height: int, results: Sequence[TxResult], app_hash: bytes) -> dict[str, Json]:
    """ResultBlockResults. All events are of transactions; what changed of validators and parameters is not told here."""
    return {
        "height": str(height),
        "txs_results": [result_form(result) for result in results] or None,
        "finalize_block_events": None,
        "validator_updates": None,
        "consensus_param_updates": None,
        "app_hash": _base64(app_hash),
    }


def tx_forms(found: Sequence[Committed], raws: Sequence[bytes] | None) -> list[Json]:
    """ResultTx of each; with proofs if `raws`, all transactions of their block, are given. About 1 ms per thousand of those."""
    hashes = None if raws is None else [merkle.leaf_hash(sha256(raw).digest()) for raw in raws]
    root = b"" if hashes is None else merkle.root_of_hashes(hashes)

    @lru_cache(_RANGES_CACHED)
    def subtree(begin: int, end: int) -> bytes:
        assert hashes is not None
        return merkle.root_of_hashes(hashes[begin:end])

    forms: list[Json] = []
    for one in found:
        form: dict[str, Json] = {
            "hash": _hash(tx_id_of(one.raw)),
            "height": str(one.height),
            "index": one.index,
            "tx_result": result_form(one.result),
            "tx": _base64(one.raw),
        }
        if hashes is not None:
            aunts: list[Json] = [_base64(subtree(*span)) for span in merkle.inclusion_ranges(one.index, len(hashes))]
            path: Json = {"total": str(len(hashes)), "index": str(one.index), "leaf_hash": _base64(hashes[one.index]), "aunts": aunts}
            form["proof"] = {"root_hash": _hash(root), "data": _base64(one.raw), "proof": path}
        forms.append(form)
    return forms


def _outcome_form(code: int, data: str | None, log: str, events: list[Json]) -> dict[str, Json]:
    return {
        "code": code,
        "data": data,
        "log": log,
        "info": "",
        "gas_wanted": "0",
        "gas_used": "0",
        "events": events,
        "codespace": "" if code == OK.number else CODESPACE,
    }


def _event_form(event: Event) -> Json:
    attributes: list[Json] = [{"key": name, "value": _attribute(value), "index": True} for name, value in event.attributes.items()]
    return {"type": f"{event.contract}.{event.name}", "attributes": attributes}


def _attribute(value: Value) -> str:
    """A value as a text; what is not one already as its JSON."""
    form = value_json(value)
    return form if isinstance(form, str) else json.dumps(form, ensure_ascii=False, separators=(",", ":"))


def _failure(result: TxResult) -> str:
    """Why a transaction failed, in one line."""
    if result.code == OK.number:
        return ""
    try:
        name, index, detail = codec.as_array(codec.decode(result.data, bytes_max=len(result.data)), 3)
    except Malformed:
        return code_name(result.code)
    return f"{name!s}: {detail!s} (call {index!s})"


def _why(code: Code, detail: str) -> str:
    return "" if code == OK else f"{code.name}: {detail or code.meaning}"


def _hash(value: bytes) -> str:
    return value.hex().upper()


def _base64(value: bytes) -> str:
    return b64encode(value).decode()
