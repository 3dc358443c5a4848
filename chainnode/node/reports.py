"""Transactions that a node sends by itself, signed by its node key."""

import os
import time

from chainnode import transactions
from chainnode.bid import did_of
from chainnode.crypto import suites
from chainnode.crypto.suites import PrivateKey
from chainnode.types.transaction import Invocation, Signature, TransactionBody

LIFE_MS = 300_000


def equivocation_report(chain_id: str, genesis_hash: bytes, node_key: PrivateKey, votes: tuple[bytes, bytes]) -> bytes:
    """A call of `validators.report_equivocation`, which needs no role."""
    valid_until_ms = time.time_ns() // 1_000_000 + LIFE_MS
    call = Invocation("validators", "report_equivocation", votes)
    body = TransactionBody(chain_id, (did_of(node_key.suite, node_key.public),), os.urandom(16), valid_until_ms, (call,))
    body_bytes = transactions.encode_body(body)
    signature = suites.sign(node_key, transactions.sign_bytes(genesis_hash, body_bytes))
    return transactions.encode_transaction(body_bytes, (Signature(node_key.suite, node_key.public, signature),))
