"""What the records of supervision say, in sentences."""

from chainnode.bundlewords import value_to_text
from chainnode.cli.plainwords import named, time_words
from contracts.supervisionrecords import Kind, Stage, Verdict, decode_freeze, decode_order, order_key, target_key

_STAGES = {Stage.PROPOSED: "which waits for signatures", Stage.IN_FORCE: "in force", Stage.LIFTED: "lifted"}
_SAYS = {Verdict.LIFT: "end", Verdict.UPHOLD: "stay"}


def freeze_key(name: str) -> bytes:
    """The key of an order by its number, or of what freezes a target by its kind, as `account:did:bid:…`. ValueError otherwise."""
    kind, colon, target = name.partition(":")
    return target_key(Kind(kind), target) if colon else order_key(int(name))


def order_words(value: bytes) -> tuple[str, ...]:
    """An order, with all that was said of it."""
    one = decode_order(value)
    lines = [f"Order {one.number} of supervision, {_STAGES[one.stage]}: {one.kind.value} {named(one.target)}."]
    if one.stage is not Stage.LIFTED:
        lines.append(f"Without a further word it ends {time_words(one.ends_ms)}.")
    lines.append(f"Reason: {value_to_text(one.reason)}, on evidence {one.evidence.hex()}.")
    lines.append(f"Proposed in block {one.height} by {named(one.by)}.")
    lines.append(f"Signed by {', '.join(f'{named(did)} in block {height}' for did, height in one.signatures)}.")
    for said in one.opinions:
        lines.append(f"In block {said.height} {named(said.by)} was for its {_SAYS[said.verdict]}: {value_to_text(said.reason)}.")
    for made in one.appeals:
        answer = f"must be answered by {time_words(made.answer_by_ms)}" if made.is_open else f"was answered by {value_to_text(made.answer)}"
        lines.append(f"The appeal of {named(made.by)} in block {made.height}, {value_to_text(made.text)}, {answer}.")
    if one.lifting is not None:
        end = one.lifting
        lines.append(
            f"Lifted by {named(end.by)} in block {end.height}, {time_words(end.time_ms)}, for the reason {value_to_text(end.reason)}."
        )
    return tuple(lines)


def freeze_words(value: bytes) -> tuple[str, ...]:
    """Which order freezes a target."""
    number, ends_ms = decode_freeze(value)
    return (f"Frozen by order {number} of supervision until {time_words(ends_ms)} at the latest.",)
