"""Pledges of warehouse receipts: proposed by the holder, accepted by pledgee and custodian, released by the pledgee.

A pledge's priority is its height and the position of its transaction in the block, the moment it became public.
This version knows pledges of the first rank.
Source: Civil Code of the PRC, articles 440 and 441; SPC Interpretation on Security, article 59.
"""

import re

from chainnode.execution.state import State
from chainnode.execution.table import Call, method, require
from chainnode.types.codes import BAD_PLEDGE, NO_PLEDGE, NO_PROPOSAL
from chainnode.types.limits import PLEDGE_AMOUNT_MAX, PLEDGE_PROPOSAL_MS_MAX
from chainnode.types.transaction import Value
from contracts.arguments import check_did, check_text
from contracts.receiptrecords import Pledge, Receipt
from contracts.receiptrules import (
    open_receipt,
    require_custodian_of,
    require_holder,
    require_idle,
    require_not_frozen,
    require_not_pledged,
    require_party,
    require_signer,
    save,
)

PLEDGE_WORD = "质押"
_CURRENCY = re.compile("[A-Z]{3}")


@method
def pledge(
    call: Call,
    state: State,
    receipt_id: str,
    sequence: int,
    pledgee: str,
    amount: int,
    currency: str,
    due_ms: int,
    text: str,
    evidence: bytes,
) -> Value:
    """Pledge a receipt at once: holder, pledgee and custodian sign one transaction. Arguments as in `pledge_propose`."""
    found = _require_pledgeable(call, state, receipt_id, sequence)
    require_party(call, state, "pledgee", pledgee)
    require_custodian_of(call, state, found)
    terms = _terms(call, found, pledgee, amount, currency, due_ms, text, until_ms=0)
    return _accept(call, state, found, terms, evidence)


@method
def pledge_propose(
    call: Call,
    state: State,
    receipt_id: str,
    sequence: int,
    pledgee: str,
    amount: int,
    currency: str,
    due_ms: int,
    text: str,
    until_ms: int,
    evidence: bytes,
) -> Value:
    """Propose a pledge, which reserves the receipt until block time reaches `until_ms`, at most 30 days. By the holder.

    `amount` is in the smallest unit of `currency` (ISO 4217); the debt falls due at `due_ms`; `text` is the endorsement
    and contains 质押.
    """
    found = _require_pledgeable(call, state, receipt_id, sequence)
    check_did("pledgee", pledgee)
    lasts = call.time_ms < until_ms <= call.time_ms + PLEDGE_PROPOSAL_MS_MAX
    require(lasts, BAD_PLEDGE, f"a proposal lasts beyond {call.time_ms} ms, and at most {PLEDGE_PROPOSAL_MS_MAX} ms from there")
    terms = _terms(call, found, pledgee, amount, currency, due_ms, text, until_ms=until_ms)
    return save(call, state, found._replace(pledges=(terms,)), "pledge_proposed", evidence, {"pledgee": pledgee, "amount": amount}).sequence


@method
def pledge_accept(call: Call, state: State, receipt_id: str, sequence: int, evidence: bytes) -> Value:
    """Make the proposed pledge one. Pledgee and custodian sign the same transaction, before the proposal lapses."""
    found = open_receipt(call, state, receipt_id, sequence)
    terms = _require_proposal(call, found)
    require_party(call, state, "pledgee", terms.pledgee)
    require_custodian_of(call, state, found)
    require_not_frozen(found)
    return _accept(call, state, found, terms, evidence)


@method
def pledge_withdraw(call: Call, state: State, receipt_id: str, sequence: int, evidence: bytes) -> Value:
    """End a proposal before it is accepted. By the holder, frozen or not."""
    found = open_receipt(call, state, receipt_id, sequence)
    terms = _require_proposal(call, found)
    require_holder(call, found)
    return save(call, state, found._replace(pledges=()), "pledge_withdrawn", evidence, {"pledgee": terms.pledgee}).sequence


@method
def pledge_release(call: Call, state: State, receipt_id: str, sequence: int, evidence: bytes) -> Value:
    """End a pledge. By its pledgee, frozen or not, delivery ordered or not."""
    found = open_receipt(call, state, receipt_id, sequence)
    pledges = found.pledges_at(call.time_ms)
    require(any(not one.is_proposal for one in pledges), NO_PLEDGE, f"{receipt_id} is not pledged")
    require_signer(call, "pledgee", pledges[0].pledgee)
    return save(call, state, found._replace(pledges=()), "pledge_released", evidence, {"pledgee": pledges[0].pledgee}).sequence


def _require_pledgeable(call: Call, state: State, receipt_id: str, sequence: int) -> Receipt:
    found = open_receipt(call, state, receipt_id, sequence)
    require_idle(found)
    require_not_frozen(found)
    require_not_pledged(call, found)
    require_holder(call, found)
    return found


def _require_proposal(call: Call, found: Receipt) -> Pledge:
    proposals = [one for one in found.pledges_at(call.time_ms) if one.is_proposal]
    require(len(proposals) == 1, NO_PROPOSAL, f"no pledge of {found.receipt_id} is proposed, or it has lapsed")
    return proposals[0]


def _terms(call: Call, found: Receipt, pledgee: str, amount: int, currency: str, due_ms: int, text: str, *, until_ms: int) -> Pledge:
    """The pledge as proposed; Rejected(BAD_PLEDGE) when its terms are not valid."""
    require(pledgee != found.holder, BAD_PLEDGE, "the holder cannot be its own pledgee")
    require(0 < amount <= PLEDGE_AMOUNT_MAX, BAD_PLEDGE, f"an amount is 1 to {PLEDGE_AMOUNT_MAX}")
    require(_CURRENCY.fullmatch(currency) is not None, BAD_PLEDGE, "a currency has three letters of ISO 4217")
    require(call.time_ms < due_ms < 2**63, BAD_PLEDGE, f"the debt falls due after {call.time_ms} ms")
    check_text("text", text)
    require(PLEDGE_WORD in text, BAD_PLEDGE, f"the endorsement does not say {PLEDGE_WORD}")
    return Pledge(pledgee, amount, currency, due_ms, text, rank=1, until_ms=until_ms, height=0, position=0)


def _accept(call: Call, state: State, found: Receipt, terms: Pledge, evidence: bytes) -> int:
    """Turn a proposal into a pledge with the priority of this transaction."""
    made = terms._replace(until_ms=0, height=call.height, position=call.index)
    event: dict[str, Value] = {"pledgee": made.pledgee, "amount": made.amount, "rank": made.rank, "position": made.position}
    return save(call, state, found._replace(pledges=(made,)), "pledged", evidence, event).sequence
