"""Take transactions, and tell what became of them."""

import base64
import binascii

from aiohttp import web

from chainnode import codec
from chainnode.api.asking import body_of, path_hash, query_choice, query_wait_ms, query_whole, wait_for_height
from chainnode.api.backend import Backend, Submitted, SubmittedBatch
from chainnode.api.forms import Json, code_name, result_json, transaction_json
from chainnode.api.jsonbody import read_json
from chainnode.api.problems import NothingHere
from chainnode.api.proofs import bundle_response
from chainnode.errors import Malformed
from chainnode.transactions import decode_transaction, result_head
from chainnode.types.codes import MALFORMED, OK, TOO_LARGE, TX_UNKNOWN, UNSUPPORTED_MEDIA, WAIT_TIMEOUT
from chainnode.types.limits import BATCH_BYTES_MAX, BATCH_TXS_MAX, SUBMIT_BATCH_TXS_MIN, SUBMIT_TXS_MAX, SUBMIT_WAIT_MS_MAX
from chainnode.types.transaction import Value

MSGPACK_MEDIA = "application/msgpack"
JSON_MEDIA = "application/json"
MSGPACK_MEDIA_TYPES = (MSGPACK_MEDIA, "application/vnd.msgpack", "application/x-msgpack")
_ARRAY_16 = b"\xdc"  # how an array of 16 to 65,535 begins in msgpack


async def submit(backend: Backend, request: web.Request) -> web.Response:
    """Take 1 to SUBMIT_TXS_MAX transactions; each has an outcome of its own, in order.

    Hot in msgpack: the bytes of many transactions are those of a batch, and are taken as one where nothing is wrong with it.
    """
    body = await body_of(request)
    wait_ms = query_wait_ms(request)
    if request.content_type in MSGPACK_MEDIA_TYPES:
        count = _batch_length(body)
        outcomes = None if count is None else await backend.submit_batch(body, count, wait_ms=wait_ms)
        if outcomes is None:
            outcomes = await backend.submit(_raws_of_msgpack(body), wait_ms=wait_ms)
        content = codec.pack(_batch_values(outcomes) if isinstance(outcomes, SubmittedBatch) else tuple(map(_outcome_value, outcomes)))
        return web.Response(body=content, content_type=MSGPACK_MEDIA)
    if request.content_type == JSON_MEDIA:
        raws, asked_wait_ms = _raws_of_json(body)
        outcomes = await backend.submit(raws, wait_ms=wait_ms if asked_wait_ms is None else asked_wait_ms)
        return web.json_response({"transactions": [_outcome_json(one) for one in outcomes]})
    raise Malformed(UNSUPPORTED_MEDIA, f"transactions come as {JSON_MEDIA} or {MSGPACK_MEDIA}")


async def transaction(backend: Backend, request: web.Request) -> web.Response:
    """A committed transaction and its result, or the bundle that proves both."""
    tx_id = path_hash(request, "tx_id")
    proof = query_choice(request, "proof", ("none", "bundle"), "none")
    found = await backend.transaction(tx_id)
    if found is None:
        raise NothingHere(TX_UNKNOWN)
    if proof == "bundle":
        header = query_whole(request.query, "header")
        await wait_for_height(backend, found.height + 1 if header is None else min(header, found.height + 1), query_wait_ms(request) or 0)
        return await bundle_response(request, await backend.bundle_transaction(tx_id, header))
    document: dict[str, Json] = {
        "tx_id": tx_id.hex(),
        "height": found.height,
        "index": found.index,
        "raw": found.raw.hex(),
        "transaction": transaction_json(decode_transaction(found.raw)),
        "result": result_json(found.result),
    }
    return web.json_response(document)


def _check_count(count: int) -> None:
    if not 0 < count <= SUBMIT_TXS_MAX:
        raise Malformed(TOO_LARGE if count else MALFORMED, f"1 to {SUBMIT_TXS_MAX} transactions are taken at once, not {count}")


def _batch_length(body: bytes) -> int | None:
    """How many transactions there seem to be when they are worth a batch of their own: SUBMIT_BATCH_TXS_MIN to BATCH_TXS_MAX; else None."""
    if body[:1] != _ARRAY_16 or len(body) > BATCH_BYTES_MAX:
        return None
    count = int.from_bytes(body[1:3])
    return count if SUBMIT_BATCH_TXS_MIN <= count <= BATCH_TXS_MAX else None


def _raws_of_msgpack(body: bytes) -> tuple[bytes, ...]:
    raws = codec.decode_pieces(body, bytes_max=len(body), count_max=SUBMIT_TXS_MAX)
    _check_count(len(raws))
    return raws


def _raws_of_json(body: bytes) -> tuple[tuple[bytes, ...], int | None]:
    """The transactions of a JSON body, and how long its sender waits."""
    document = read_json(body)
    if not isinstance(document, dict) or not set(document) <= {"transactions", "wait_ms"}:
        raise Malformed(MALFORMED, "the body is an object with the members transactions and, if you like, wait_ms")
    texts, wait_ms = document.get("transactions"), document.get("wait_ms")
    if not isinstance(texts, list):
        raise Malformed(MALFORMED, "transactions is a list of texts")
    if wait_ms is not None and (type(wait_ms) is not int or not 0 <= wait_ms <= SUBMIT_WAIT_MS_MAX):
        raise Malformed(MALFORMED, f"wait_ms is a whole number from 0 to {SUBMIT_WAIT_MS_MAX}")
    _check_count(len(texts))
    return tuple(map(_raw_of_text, texts)), wait_ms


def _raw_of_text(text: object) -> bytes:
    """Hexadecimal or base64: a transaction begins with 92, which is no beginning that the two could share."""
    if isinstance(text, str):
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
        try:
            return base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            pass
    raise Malformed(MALFORMED, "a transaction is written in hexadecimal or base64")


def _outcome_value(one: Submitted) -> Value:
    """[tx id or nil, code, name, detail, height or nil, index or nil, result data or nil]."""
    if one.encoded is None:
        return (one.tx_id, one.code.number, one.code.name, one.detail, one.height, one.index, None)
    code, data = result_head(one.encoded)
    return (one.tx_id, code, code_name(code), one.detail, one.height, one.index, data)


def _batch_values(batch: SubmittedBatch) -> Value:
    """The same for each transaction of a batch, 0.4 us each."""
    if batch.results is None:
        return tuple([(tx_id, OK.number, OK.name, "", None, None, None) for tx_id in batch.ids])
    rows = enumerate(zip(batch.ids, map(result_head, batch.results.encoded), strict=True), batch.first)
    return tuple([(tx_id, code, code_name(code), "", batch.height, index, data) for index, (tx_id, (code, data)) in rows])


def _outcome_json(one: Submitted) -> Json:
    is_taken = one.code in (OK, WAIT_TIMEOUT)
    result = one.result
    code = one.code.number if result is None else result.code
    return {
        "tx_id": None if one.tx_id is None else one.tx_id.hex(),
        "state": "committed" if result is not None else "taken" if is_taken else "refused",
        "code": code,
        "name": one.code.name if result is None else code_name(code),
        "detail": one.detail,
        "height": one.height,
        "index": one.index,
        "result": None if result is None else result_json(result),
    }
