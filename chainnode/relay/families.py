"""Families of chains: how the table of a chain becomes its adapter. Another family is another row."""

from collections.abc import Callable
from pathlib import Path

from chainnode.bid import did_of, parse_did
from chainnode.crypto.keys import validator, validator_set
from chainnode.crypto.suites import PrivateKey
from chainnode.digests import genesis_hash
from chainnode.errors import Malformed
from chainnode.foreign.attested import check_attestors
from chainnode.foreign.ethkeys import ADDRESS_BYTES
from chainnode.foreign.qbft import QbftRules
from chainnode.genesisfile import genesis_from_json
from chainnode.light import genesis_state
from chainnode.relay.adapter import ChainAdapter
from chainnode.relay.attestors import Attestors
from chainnode.relay.comet import CometChain, TrustedHash
from chainnode.relay.endpoints import Endpoints, check_urls
from chainnode.relay.evm import EvmChain
from chainnode.relay.evmattested import AttestedGround
from chainnode.relay.evmqbft import QbftGround
from chainnode.relay.evmsender import EvmSender
from chainnode.relay.ours import OurSender
from chainnode.relay.settings import ChainTable
from chainnode.types.limits import EVM_GAS_PRICE_WEI, RELAY_ENDPOINTS_MAX

OpenKey = Callable[[Path], PrivateKey]  # of a sealed key file
Family = Callable[[ChainTable, OpenKey], ChainAdapter]
_HASH_BYTES = 32


def make_chain(table: ChainTable, open_key: OpenKey) -> ChainAdapter:
    """The adapter of a chain. Malformed(BAD_CONFIG), and what opening its key raises."""
    family = FAMILIES.get(table.text("family"))
    if family is None:
        raise table.bad(f"family is one of {', '.join(FAMILIES)}")
    return family(table, open_key)


def _ours(table: ChainTable, open_key: OpenKey) -> ChainAdapter:
    """A chain of this program, from its genesis file on."""
    table.only("endpoints", "genesis", "key", "did")
    path = table.path("genesis")
    try:
        genesis = genesis_from_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise table.bad(f"genesis {path}: {getattr(error, 'strerror', None) or error}") from error
    except Malformed as error:
        raise table.bad(f"genesis {path}: {error.detail}") from error
    key, did = open_key(table.path("key")), table.text("did", "")
    if did:
        try:
            parse_did(did)
        except Malformed as error:
            raise table.bad(f"did: {error.detail}") from error
    first = validator_set(validator(one.public_key, one.power) for one in genesis.validators)
    return CometChain(
        name=table.name,
        chain_id=genesis.chain_id,
        endpoints=_endpoints(table),
        root=genesis_state(genesis.time_ns, first),
        trusting_period_ms=genesis.params.trusting_period_ms,
        sender=OurSender(genesis.chain_id, genesis_hash(genesis), key, did or did_of(key.suite, key.public)),
    )


def _cometbft(table: ChainTable, open_key: OpenKey) -> ChainAdapter:
    """A chain of others with CometBFT's RPC, from a header on that the operator trusts."""
    table.only("endpoints", "chain_id", "trusted_height", "trusted_hash", "trusting_period_s")
    trusted = _hex(table, "trusted_hash", _HASH_BYTES)
    return CometChain(
        name=table.name,
        chain_id=table.text("chain_id"),
        endpoints=_endpoints(table),
        root=TrustedHash(table.whole("trusted_height"), trusted),
        trusting_period_ms=table.period_ms("trusting_period_s"),
    )


def _endpoints(table: ChainTable) -> Endpoints:
    urls = table.texts("endpoints")
    try:
        check_urls(table.name, urls, RELAY_ENDPOINTS_MAX)
    except Malformed as error:
        raise table.bad(error.detail) from error
    return Endpoints(table.name, urls)


def _evm(table: ChainTable, open_key: OpenKey) -> ChainAdapter:
    """An EVM chain of QBFT with our outbox, from a header on that the operator trusts; read alone when no key is named."""
    table.only("endpoints", "chain_id", "outbox", "trusted_height", "trusted_hash", "trusting_period_s", "key", "gas_price_max")
    number, outbox, endpoints, sender = _evm_parts(table, open_key)
    root = table.whole("trusted_height"), _hex(table, "trusted_hash", _HASH_BYTES)
    ground = QbftGround(table.name, number, endpoints, outbox, root, QbftRules(table.period_ms("trusting_period_s")))
    return EvmChain(table.name, number, endpoints, outbox, ground, sender)


def _attested_evm(table: ChainTable, open_key: OpenKey) -> ChainAdapter:
    """Any EVM chain with our outbox, by the word of so many of its attestors."""
    table.only("endpoints", "chain_id", "outbox", "attestors", "attestor_addresses", "needed", "key", "gas_price_max")
    number, outbox, endpoints, sender = _evm_parts(table, open_key)
    addresses = tuple(_bytes(table, "attestor_addresses", one, ADDRESS_BYTES) for one in table.texts("attestor_addresses"))
    needed, urls = table.whole("needed"), table.texts("attestors")
    try:
        check_attestors(addresses, needed)
        check_urls(table.name, urls, RELAY_ENDPOINTS_MAX)
    except Malformed as error:
        raise table.bad(f"attestors: {error.detail}") from error
    if len(urls) < needed:
        raise table.bad(f"{needed} attestors are needed, and {len(urls)} are named")
    attestors = Attestors(Endpoints(f"attestors of {table.name}", urls), addresses, needed)
    return EvmChain(table.name, number, endpoints, outbox, AttestedGround(table.name, number, endpoints, outbox, attestors), sender)


def _evm_parts(table: ChainTable, open_key: OpenKey) -> tuple[int, bytes, Endpoints, EvmSender | None]:
    """Number, outbox, endpoints, and the account that pays if there is one."""
    number, outbox = table.whole("chain_id"), _hex(table, "outbox", ADDRESS_BYTES)
    sender = None
    if table.text("key", ""):
        key = open_key(table.path("key"))
        if key.suite != "s":
            raise table.bad("key is of suite s, secp256k1: accounts of EVM chains have no others")
        sender = EvmSender(number, outbox, key, table.whole("gas_price_max", EVM_GAS_PRICE_WEI))
    return number, outbox, _endpoints(table), sender


def _hex(table: ChainTable, name: str, length: int) -> bytes:
    return _bytes(table, name, table.text(name), length)


def _bytes(table: ChainTable, name: str, text: str, length: int) -> bytes:
    try:
        found = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        found = b""
    if len(found) != length:
        raise table.bad(f"{name} has {2 * length} hexadecimal digits")
    return found


FAMILIES: dict[str, Family] = {"chainnode": _ours, "cometbft": _cometbft, "evm": _evm, "attested-evm": _attested_evm}
