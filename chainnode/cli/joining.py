"""Backbone chains join the main chain of a devnet: admitted, linked with the others, and anchored by the gateways in their nodes.

Each step looks first at what the ledgers say, so that a second run goes on where an earlier one was stopped.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from chainnode.cli import links
from chainnode.cli.backbones import Backbone, Chains
from chainnode.cli.ledgers import Ledger
from chainnode.cli.telling import Teller
from chainnode.client.signing import Signer
from chainnode.did.chainform import new_form
from chainnode.did.chainrecord import ChainRecord, decode_chain
from chainnode.digests import genesis_hash
from chainnode.errors import Rejected, Unavailable
from chainnode.node.config import CONFIG_FILE, render_config
from chainnode.node.homes import load_key, new_key, save_key
from chainnode.types.codes import AC_TAKEN, NOT_ANCHORED
from chainnode.types.transaction import Invocation, Value
from contracts import chains, governance
from contracts.chainapplications import arguments_of

FORM_FILE, GATEWAY_FILE, GATEWAY_KEY = "form.json", "gateway.toml", "keys/gateway.json"
ANCHOR_S = 10  # a header is anchored so often, also when nothing else asks for it
POLL_MS = 500
_WAIT_S, _POLL_S = 60.0, 0.2
_YEAR_MS = 365 * 86_400_000


class Joining:
    """The main chain, and the backbone chains that are to be anchored there."""

    def __init__(self, devnet: Chains, main: Ledger, others: list[Ledger], teller: Teller) -> None:
        self.devnet, self.main, self.others, self.teller = devnet, main, others, teller
        self._gateways = [_gateway_of(one.member.config.home, own) for one, own in zip(devnet.backbones, others, strict=True)]

    def run(self) -> None:
        """All steps, each told once it is done, with how long it took; what was done before is not told."""
        self._timed("operators and gateways are members where they write", self._give_roles)
        for other, gateway in zip(self.others, self._gateways, strict=True):
            self._admit(other, gateway)
        self._timed("each chain follows the others by a light client of its own", self._link)
        self._timed("gateways run in the nodes of the backbone chains", self._start_gateways)
        for other in self.others:
            self._wait_for_anchor(other)

    def _timed(self, what: str, step: Callable[[], bool]) -> None:
        began = time.monotonic()
        if step():
            self.teller.good(f"{what} ({time.monotonic() - began:.1f} s)")

    # Admission

    def _give_roles(self) -> bool:
        """A gateway writes on its own chain, the main chain and those to which it brings packets; an operator applies on the main chain."""
        gateways = [one.did for one in self._gateways]
        given = [self.main.admit([*(other.super_node().did for other in self.others), *gateways])]
        return any(given + [other.admit(gateways) for other in self.others])

    def _admit(self, other: Ledger, gateway: Signer) -> None:
        """Application and votes, unless the chain has its number."""
        if self._record(other) is not None:
            return
        assert other.ac is not None
        began, number = time.monotonic(), self._open_application(other)
        if number is None:
            path = other.folder / FORM_FILE
            operator = other.super_node()
            form = new_form(name=f"Devnet {other.ac}", operator=operator.did, ac=other.ac, endpoints=other.urls, gateways=(gateway.did,))
            path.write_text(json.dumps(form, indent=2) + "\n", encoding="utf-8")
            (number,) = self.main.apply([Invocation(chains.NAME, "apply", arguments_of(other.genesis, form))], operator).values
            self.teller.good(f"{other.ac}: its operator applies, by the form {path}")
        terms = ("admit_chain", (number, other.ac, time.time_ns() // 1_000_000 + _YEAR_MS), "a backbone chain of the devnet")
        (proposal,) = self.main.apply([Invocation(governance.NAME, "propose", terms)], self.main.super_node()).values
        votes, count = 1, len(self.main.genesis.validators)
        while self._record(other) is None:
            votes += 1
            self.main.apply([Invocation(governance.NAME, "vote", (proposal, True))], self.main.super_node(votes))
        took = f"({time.monotonic() - began:.1f} s)"
        self.teller.good(f"{other.ac}: admitted for a year by {votes} of {count} super nodes {took}")

    def _record(self, other: Ledger) -> ChainRecord | None:
        """What the main chain has on record of a backbone chain. Rejected(AC_TAKEN) when the number is another chain's."""
        value = self.main.value(chains.NAME, chains.chain_key(str(other.ac)))
        found = None if value is None else decode_chain(value)
        if found is not None and found.genesis_hash != genesis_hash(other.genesis):
            raise Rejected(AC_TAKEN, f"{other.ac} is another chain's on the main chain: {found.chain_id}, not that of {other.folder}")
        return found

    def _open_application(self, other: Ledger) -> Value:
        """The number of an application of an earlier run on which nothing was decided."""
        page: Any = self.main.get(f"/v1/applications?{self.main.no_older}")
        for row in page["applications"]:
            if row["status"] == "open" and row["chain_id"] == other.genesis.chain_id:
                whole: Any = self.main.get(f"/v1/applications/{row['number']}?{self.main.no_older}")
                if whole["genesis_hash"] == genesis_hash(other.genesis).hex():
                    return int(row["number"])
        return None

    # Clients and gateways

    def _link(self) -> bool:
        return links.link(self.main, self.others, {other: self._client_there(other) for other in self.others})

    def _client_there(self, other: Ledger) -> str:
        found = self._record(other)
        assert found is not None, "it was admitted"
        return found.client_id

    def _start_gateways(self) -> bool:
        """Write the settings of each gateway, and start those nodes again whose settings have changed."""
        changed = []
        for one, own in zip(self.devnet.backbones, self.others, strict=True):
            config, text = one.member.config, self._settings_of(one, own)
            path = config.home / GATEWAY_FILE
            if config.gateway_settings != GATEWAY_FILE or not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
                (config.home / CONFIG_FILE).write_text(render_config(replace(config, gateway_settings=GATEWAY_FILE)), encoding="utf-8")
                changed.append(one.member)
        if changed:
            self.devnet.network.restart(changed)
        return bool(changed)

    def _settings_of(self, one: Backbone, own: Ledger) -> str:
        """A gateway's routes: between its chain and the main chain, and, by way of the main chain, to each other backbone chain."""
        home = one.member.config.home
        lines = [
            f"# The gateway of {own.ac}, as `chainnode devnet` made it. It tells how it is: chainnode relay status --config this-file",
            *("[relay]", f'listen = "{one.gateway_address}"', 'progress = "gateway-progress.json"'),
            *(f"poll_ms = {POLL_MS}", f"anchor_interval_s = {ANCHOR_S}"),
        ]
        for ledger in (self.main, *self.others):
            genesis = Path(os.path.relpath(ledger.folder / "genesis.json", home)).as_posix()  # also right when the folder has moved
            lines += ["", f"[chains.{ledger.ac or 'main'}]", 'family = "chainnode"', f"endpoints = {json.dumps(ledger.urls)}"]
            lines += [f'genesis = "{genesis}"', f'key = "{GATEWAY_KEY}"']
        lines += _route("main", self._client_there(own), str(own.ac), links.required(own, self.main).client_id)
        for other in self.others:
            if other is not own:
                a, b = sorted((own, other), key=lambda each: str(each.ac))
                lines += _route(str(a.ac), links.required(a, b).client_id, str(b.ac), links.required(b, a).client_id)
                lines.append('hub = "main"')
        return "\n".join(lines) + "\n"

    def _wait_for_anchor(self, other: Ledger) -> None:
        """Until the main chain has verified a header of the chain. A chain that it no longer verifies is told of, not waited for."""
        began = time.monotonic()
        while True:
            page: Any = self.main.get(f"/v1/chains/{other.ac}?{self.main.no_older}")
            health, anchor = page["health"], page["anchor"]
            if health["word"] in ("frozen", "expired"):
                self.teller.bad(f"{other.ac}: {health['meaning']}")
                return
            if anchor is not None and health["word"] == "ok":
                took = f"({time.monotonic() - began:.1f} s)"
                self.teller.good(f"{other.ac} is anchored: the main chain has verified its header {anchor['height']} {took}")
                return
            if time.monotonic() - began > _WAIT_S:
                raise Unavailable(NOT_ANCHORED, f"no header of {other.ac} was anchored within {_WAIT_S:.0f} s; its node's log may say why")
            time.sleep(_POLL_S)


def _route(a: str, a_client: str, b: str, b_client: str) -> list[str]:
    return ["", "[[routes]]", f'a = "{a}"', f'a_client = "{a_client}"', f'b = "{b}"', f'b_client = "{b_client}"']


def _gateway_of(home: Path, own: Ledger) -> Signer:
    """The key by which a gateway signs, drawn at first and sealed as the others of its node."""
    path, passphrase = home / GATEWAY_KEY, own.passphrase
    if not path.exists():
        save_key(path, new_key(), passphrase)
    return Signer(load_key(path, passphrase))
