"""The results of a block in bytes: what its hash is made of, and what the disk keeps.

Hot: 3 us a transaction with one event, hash included; the plain twins are `digests.results_hash` and `transactions.encode_result`.
"""

from collections.abc import Sequence

from chainnode import codec, merkle
from chainnode.cometbytes import result_bytes
from chainnode.types.transaction import TxResult


def results_in_bytes(results: Sequence[TxResult]) -> tuple[bytes, list[bytes]]:
    """`last_results_hash` of the next header, and each result with its events as `decode_result` reads it."""
    pack = codec.packer()
    kept: list[bytes] = []
    for result in results:
        events = []
        write = pack
        for event in result.events:
            attributes = event.attributes
            if not codec.is_mapless(tuple(attributes.values())):
                write = codec.encode
            events.append((event.contract, event.name, dict(sorted(attributes.items()))))
        kept.append(write((result.code, result.data, tuple(events))))
    return merkle.root([result_bytes(result) for result in results]), kept
