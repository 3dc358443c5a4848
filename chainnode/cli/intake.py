"""What comes into the warehouse of the story: packages with codes of their own, and the documents that they go by."""

import csv
import hashlib
from dataclasses import dataclass
from importlib import resources

from chainnode.types.limits import GOODS_ITEMS_MAX
from contracts.packagecodes import check_digit

COMPANY_PREFIX = "9506000"  # of examples, by GS1
_SAMPLE = "delivery_list.csv"


@dataclass(frozen=True, slots=True)
class Package:
    """One package: its code, what is in it, and the digest of its source document."""

    code: str
    commodity: str
    quantity: int
    unit: str
    document: bytes


@dataclass(frozen=True, slots=True)
class Intake:
    """The packages of a day, and its documents by name and digest."""

    packages: tuple[Package, ...]
    documents: tuple[tuple[bytes, bytes], ...]

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of all packages."""
        return tuple(one.code for one in self.packages)

    def quantity(self, codes: tuple[str, ...]) -> int:
        """How much is in some of the packages."""
        return sum(one.quantity for one in self.packages if one.code in codes)


def intake_of(number: int, documents: list[tuple[bytes, bytes]]) -> Intake:
    """The lines of the sample list as packages of this day, more of them when there are more documents; documents in turn."""
    sample = resources.files("chainnode.cli").joinpath(f"samples/{_SAMPLE}").read_text(encoding="utf-8")
    documents = documents or [(_SAMPLE.encode(), hashlib.sha256(sample.encode()).digest())]
    lines = list(csv.DictReader(line for line in sample.splitlines() if not line.startswith("#")))
    count = min(max(len(lines), len(documents)), GOODS_ITEMS_MAX)
    made: list[Package] = []
    for index in range(count):
        line = lines[index % len(lines)]
        digits = f"1{COMPANY_PREFIX}{number * 10_000 + index:09d}"
        code = f"(00){digits}{check_digit(digits)}"
        made.append(Package(code, line["commodity"], int(line["quantity"]), line["unit"], documents[index % len(documents)][1]))
    return Intake(tuple(made), tuple(documents))


def paper(name: str) -> bytes:
    """The digest that stands for a paper of the story."""
    return hashlib.sha256(name.encode()).digest()
