"""The attestors of a chain, as the relay asks them: all at once, until enough say one and the same. Each may lie, hang or differ.

A statement counts with the signature of one of the known keys over what was asked for, each key once. Who signs something else than
enough others do, or signs as nobody known, has lied. Who hangs is not waited for once enough have answered.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from chainnode.errors import ChainError, Malformed, Rejected, Unavailable
from chainnode.foreign import attested
from chainnode.foreign.attested import NOTHING, PACKET_TAG, STATE_TAG, AttestationProof
from chainnode.foreign.ethkeys import recover
from chainnode.foreign.heights import HEIGHT_MAX
from chainnode.foreign.keccak import keccak256
from chainnode.relay import evmjson
from chainnode.relay.endpoints import Endpoint, Endpoints, Json, Lie, read_json
from chainnode.types.codes import ATTESTORS_DISAGREE, CHAIN_SILENT, CODES
from chainnode.types.limits import ATTEST_ANSWER_BYTES_MAX, ATTEST_GRACE_MS

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Found = list[tuple[Endpoint, Answer]]
_DETAIL_LENGTH_MAX = 500


@dataclass(frozen=True, slots=True)
class Said:
    """An attestor's statement, whose signature is its own."""

    statement: bytes
    signer: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class About:
    """What an attestor says of itself, unsigned."""

    address: bytes
    chain_id: int
    outbox: bytes
    newest: int


@dataclass(slots=True)
class Attestors:
    """Who is asked, which keys count, and how many of them must agree."""

    endpoints: Endpoints
    addresses: tuple[bytes, ...]
    needed: int

    async def heights(self) -> list[int]:
        """Which heights to ask for, the most promising first: the one that enough say they have reached, then the others.

        Unavailable(ATTESTORS_DISAGREE) when too few answer.
        """

        async def newest(endpoint: Endpoint) -> int:
            return (await self.about(endpoint)).newest

        found = await self._collect(newest, lambda answers: answers if len(answers) >= self.needed else None, grace_ms=ATTEST_GRACE_MS)
        told = sorted((height for _, height in found), reverse=True)
        likely = told[self.needed - 1]
        return list(dict.fromkeys([likely, *(height for height in told if height < likely), *reversed(told)]))

    async def state(self, height: int) -> AttestationProof:
        """What enough attestors sign of a height. Unavailable(ATTESTORS_DISAGREE)."""

        def check(statement: bytes) -> None:
            if attested.decode_state(statement).height != height:
                raise Lie(f"it is not about height {height}")

        return await self._statement(f"/v1/states/{height}", STATE_TAG, check)

    async def packet(self, height: int, key: bytes) -> tuple[bytes | None, AttestationProof]:
        """What enough attestors sign that the outbox holds under a key after a height, None: nothing. Unavailable(ATTESTORS_DISAGREE)."""

        def check(statement: bytes) -> None:
            said = attested.decode_packets(statement)
            if said.height != height or [name for name, _ in said.packets] != [keccak256(key)]:
                raise Lie(f"it is not about this key at height {height}")

        proof = await self._statement(f"/v1/packets/{height}/{key.hex()}", PACKET_TAG, check)
        ((_, held),) = attested.decode_packets(proof.statement).packets
        return None if held == NOTHING else held, proof

    async def about(self, endpoint: Endpoint) -> About:
        """What one says of itself. Unavailable, Lie, or what it refuses with."""
        document = await self._get(endpoint, "/v1/attestor")
        address, outbox = evmjson.data(document.get("address")), evmjson.data(document.get("outbox"))
        chain_id, newest = document.get("chain_id"), document.get("newest")
        if type(chain_id) is not int or type(newest) is not int or not 0 < newest <= HEIGHT_MAX:
            raise Lie(f"{endpoint.url} does not say of which chain it is, or how far")
        return About(address, chain_id, outbox, newest)

    async def _statement(self, path: str, tag: int, check: Callable[[bytes], None]) -> AttestationProof:
        """One statement with as many signatures as are needed."""

        async def one(endpoint: Endpoint) -> Said:
            document = await self._get(endpoint, path)
            statement, signature = evmjson.data(document.get("statement")), evmjson.data(document.get("signature"))
            check(statement)
            signer = recover(attested.digest_of(statement, tag), signature)
            if signer not in self.addresses:
                raise Lie(f"it is signed by 0x{signer.hex()}, who is no attestor")
            return Said(statement, signer, signature)

        def agreed(answers: Found[Said]) -> AttestationProof | None:
            groups: dict[bytes, dict[bytes, bytes]] = {}
            for _, said in answers:
                groups.setdefault(said.statement, {}).setdefault(said.signer, said.signature)
            for statement, signatures in groups.items():
                if len(signatures) >= self.needed:
                    for endpoint, said in answers:
                        if said.statement != statement:
                            self.endpoints.blame(endpoint, Lie(f"{endpoint.url} signs something else than {len(signatures)} others do"))
                    return AttestationProof(statement, tuple(signatures.values())[: self.needed])
            return None

        return await self._collect(one, agreed)

    async def _get(self, endpoint: Endpoint, path: str) -> Mapping[str, Json]:
        """The JSON object of an answer; the refusal that it tells of is raised."""
        content = await self.endpoints.request(endpoint, "GET", path, {})
        if len(content) > ATTEST_ANSWER_BYTES_MAX:
            raise Lie(f"{endpoint.url}: an answer has at most {ATTEST_ANSWER_BYTES_MAX} bytes")
        document = read_json(endpoint.url, content)
        if not isinstance(document, dict):
            raise Unavailable(CHAIN_SILENT, f"{endpoint.url} does not answer as an attestor does")
        if "code" in document:
            code, detail = CODES.get(str(document["code"])[:64], CHAIN_SILENT), f"{endpoint.url}: {str(document.get('detail'))[:200]}"
            raise Unavailable(code, detail) if code is CHAIN_SILENT else Rejected(code, detail)
        return document

    async def _collect(
        self, ask: Callable[[Endpoint], Awaitable[Answer]], done: Callable[[Found[Answer]], Result | None], grace_ms: int = 0
    ) -> Result:
        """Ask all, those that are to be avoided only if the others are too few, until `done` makes something of the answers.

        With a grace the others are waited for so long then; who has not answered by that time counts as silent.
        """
        good, avoided = self.endpoints.standing()
        parts = [good, avoided] if len(good) >= self.needed else [[*good, *avoided]]
        answers: Found[Answer] = []
        errors: list[ChainError] = []
        for part in parts:
            tasks = {asyncio.create_task(self._one(endpoint, ask)): endpoint for endpoint in part}
            try:
                result = await self._gather(tasks, answers, errors, done, grace_ms)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if result is not None:
                return result
        why = "; ".join(error.detail for error in errors) or "they say different things"
        how = f"{self.endpoints.name}: not {self.needed} of {len(self.endpoints.all)} agree"
        raise Unavailable(ATTESTORS_DISAGREE, f"{how}: {why}"[:_DETAIL_LENGTH_MAX])

    async def _gather(
        self,
        tasks: Mapping["asyncio.Task[Answer | ChainError]", Endpoint],
        answers: Found[Answer],
        errors: list[ChainError],
        done: Callable[[Found[Answer]], Result | None],
        grace_ms: int,
    ) -> Result | None:
        pending, result, deadline_ms = set(tasks), None, None
        while pending:
            finished, pending = await asyncio.wait(pending, timeout=deadline_ms, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                answer = task.result()
                if isinstance(answer, ChainError):
                    errors.append(answer)
                else:
                    answers.append((tasks[task], answer))
            result = done(answers)
            if result is not None and not grace_ms:
                return result
            if not finished:
                break
            if result is not None and deadline_ms is None:
                deadline_ms = grace_ms / 1000
        for task in pending:
            self.endpoints.blame(tasks[task], Unavailable(CHAIN_SILENT, f"{tasks[task].url} is slower than {self.needed} others"))
        return result

    async def _one(self, endpoint: Endpoint, ask: Callable[[Endpoint], Awaitable[Answer]]) -> Answer | ChainError:
        """An answer, or what went wrong, which the endpoint is blamed for unless it is a refusal."""
        try:
            answer = await ask(endpoint)
            endpoint.silences = 0
            return answer
        except Rejected as refusal:
            return refusal
        except Malformed as error:
            return self.endpoints.blame(endpoint, Lie(f"{endpoint.url}: {error.detail}"))
        except (Lie, Unavailable) as failure:
            return self.endpoints.blame(endpoint, failure)
