"""Batches of evidence of all shapes, signed by nobody."""

import random

from chainnode import codec, transactions
from chainnode.types.limits import BATCH_BYTES_MAX, EVIDENCE_META_BYTES_MAX, EVIDENCE_RECORDS_MAX
from chainnode.types.transaction import Invocation, Signature, TransactionBody
from contracts import evidence

RULES = (evidence.NAME, evidence.record.__name__, evidence.ALGORITHMS, EVIDENCE_RECORDS_MAX, EVIDENCE_META_BYTES_MAX)
LENGTHS = [0, 1, 31, 32, 100, 255, 256, 1024]  # of descriptions: around every limit of their heads, and of what is sought
SIGNERS = ["d", "did:bid:ef" + "a" * 21, "did:bid:ef" + "b" * 22, "did:bid:ef" + "c" * 24, "did:bid:" + "e" * 49]


def signed(records, signer=SIGNERS[2], key=bytes(32), signature=bytes(64), memo=""):
    """The bytes of a transaction with these records, whose signature nobody has made."""
    nonce = random.Random(f"{signer}{len(records)}{records[0]}").randbytes(16)
    body = TransactionBody("bench-1", (signer,), nonce, 1_795_000_000_000, (Invocation("evidence", "record", (tuple(records),)),), memo)
    return transactions.encode_transaction(transactions.encode_body(body), [Signature("e", key, signature)])


def record_of(dice, length):
    return (dice.choice(evidence.ALGORITHMS), dice.randbytes(32), dice.randbytes(length))


def batch_of(dice, counts, lengths):
    """Transactions with so many records each, by a few speakers."""
    speakers = [(dice.choice(SIGNERS), bytes([dice.randrange(3)]) * 32) for _ in range(dice.choice([1, 1, 2, 5]))]
    raws, room = [], BATCH_BYTES_MAX - 1_000
    for count in counts:
        records = [record_of(dice, dice.choice(lengths)) for _ in range(count)]
        signer, key = dice.choice(speakers)
        raw = signed(records, signer, key, dice.randbytes(64), "m" * dice.choice([0, 0, 31, 200]))
        room -= len(raw) + 5
        if room < 0:
            break
        raws.append(raw)
    return transactions.encode_batch(raws)


def seeking_ends(vain):
    """A batch in which the beginnings of many records stand elsewhere: after some, nothing is sought any more."""
    dice = random.Random(7)
    records = [("sha-256", dice.randbytes(32), dice.randbytes(100)) for _ in range(2 * vain + 1)]
    beginnings = [codec.encode(record)[1:49] for record in records[1::2]] + [b""]
    return transactions.encode_batch(
        [
            signed([record], signature=beginnings[place // 2].ljust(64) if place % 2 == 0 else bytes(64))
            for place, record in enumerate(records)
        ]
    )
