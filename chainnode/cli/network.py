"""A network of nodes on this machine: each a process of its own, started, watched and stopped together."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from chainnode.cli.usage import UsageError
from chainnode.errors import Malformed, Rejected, Unavailable
from chainnode.node.config import CONFIG_FILE, Config, load_config, split_address
from chainnode.node.homes import API_PORT, PASSPHRASE_FILE, PEER_PORT, PORTS_PER_NODE, write_network
from chainnode.types.codes import BAD_CONFIG, HOME_EXISTS, NOT_READY, PORT_IN_USE
from chainnode.types.genesis import ChainParams

LOG_FILE = "node.log"
REASON = "chainnode: "  # begins the last line of a node that says why it ends
GENESIS_FILE = "genesis.json"
VALIDATORS, PORT, PORT_MAX = 4, 26650, 65_535  # of a network, when nothing else is asked for
START_S, START_EACH_S, STOP_S = 30.0, 3.0, 15.0  # each node, since they share the processors
NATIVE_SWITCH = "CHAINNODE_NATIVE"  # the one name that is no setting of a node: it counts for all processes alike
_POLL_S = 0.1


@dataclass(slots=True)
class Member:
    """One node of the network."""

    config: Config
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its API."""
        return f"http://{self.config.api_listen}"

    @property
    def log_path(self) -> Path:
        """Where its log goes."""
        return self.config.home / LOG_FILE


class Network:
    """The nodes below a folder. `with` stops whatever still runs at its end."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    def __enter__(self) -> "Network":
        """The network itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all nodes."""
        self.stop()

    @property
    def urls(self) -> list[str]:
        """The APIs of all nodes."""
        return [member.url for member in self.members]

    def start(self) -> None:
        """Start every node and wait until each serves; Unavailable(NOT_READY) with the end of a log when one does not."""
        for member in self.members:
            for address in (member.config.peers_listen, member.config.api_listen):
                _check_free(address)
        for member in self.members:
            self.start_one(member)
        self._wait_until_ready(self.members)

    def restart(self, members: list[Member]) -> None:
        """Stop some of the nodes, and start them with the settings that they have now. Raises as `start`."""
        bad = Network([one for one in members if one.process is not None]).stop()
        if bad:
            raise Unavailable(NOT_READY, "; ".join(bad))
        for member in members:
            member.config = load_config(member.config.home, {})
            self.start_one(member)
        self._wait_until_ready(members)

    def _wait_until_ready(self, members: list[Member]) -> None:
        wait_s = START_S + START_EACH_S * len(self.members)
        deadline = time.monotonic() + wait_s
        for member in members:
            while not _is_ready(member.url):
                self.check()
                if time.monotonic() > deadline:
                    raise Unavailable(
                        NOT_READY, f"{member.config.node_name} did not get ready in {wait_s:.0f} s; the end of its log:\n{log_tail(member)}"
                    )
                time.sleep(_POLL_S)

    def start_one(self, member: Member) -> None:
        """Start one node. It ends with this process, however that ends, since it watches its standard input."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("CHAINNODE_") or key == NATIVE_SWITCH}
        passphrase = member.config.home.parent / PASSPHRASE_FILE
        if passphrase.exists():  # also where the whole folder was moved
            environment["CHAINNODE_KEYS_PASSPHRASE_FILE"] = str(passphrase.resolve())
        with member.log_path.open("ab") as log:
            member.process = subprocess.Popen(
                [sys.executable, "-m", "chainnode.cli.main", "run", "--until-eof", "--home", str(member.config.home)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we stop the nodes in order
                env=environment,
            )

    def check(self) -> None:
        """Unavailable(NOT_READY) when a node has ended by itself."""
        for member in self.members:
            if member.process is not None and member.process.poll() is not None:
                ending, tail = _ending(member, member.process.returncode), log_tail(member)
                raise Unavailable(NOT_READY, ending if tail.startswith(REASON) else f"{ending}; the end of its log:\n{tail}")

    def ended(self) -> list[tuple[Member, str]]:
        """The nodes that have ended by themselves, told once, and how."""
        found: list[tuple[Member, str]] = []
        for member in self.members:
            if member.process is not None and member.process.poll() is not None:
                found.append((member, _ending(member, member.process.returncode)))
                _forget(member)
        return found

    def kill(self, member: Member) -> None:
        """Take a node's power, as SIGKILL does."""
        assert member.process is not None
        member.process.kill()
        member.process.wait()
        _forget(member)

    def stop(self) -> list[str]:
        """Ask all to end, wait, and kill what does not; those that did not end well, and how. Ctrl-C meanwhile kills all at once."""
        running = [(member, member.process) for member in self.members if member.process is not None]
        for _, process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_S
        bad: list[str] = []
        try:
            for member, process in running:
                try:
                    code = process.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    process.kill()
                    code = process.wait()
                if code not in (0, -signal.SIGTERM):  # a node that has just begun dies of our SIGTERM, as asked
                    bad.append(_ending(member, code))
                _forget(member)
        except KeyboardInterrupt:
            for member, process in running:
                process.kill()
                process.wait()
                _forget(member)
            raise
        return bad


def open_network(
    folder: Path, *, chain_id: str, validators: int | None, port: int | None, params: ChainParams, prefix: str = ""
) -> tuple[Network, bool]:
    """The network in `folder`, made when there is none; and whether it was made now. The names of its nodes begin with `prefix`.

    None: as it is, else VALIDATORS of them, from PORT on.
    """
    homes = _homes(folder)
    if homes:
        network = Network([Member(load_config(home, {})) for home in homes])
        _check_same(folder, network, validators, port)
        return network, False
    validators, port = VALIDATORS if validators is None else validators, PORT if port is None else port
    check_ports(port, validators)
    now_ns = time.time_ns()
    try:
        homes = write_network(folder, chain_id=chain_id, validators=validators, port=port, time_ns=now_ns, params=params, prefix=prefix)
    except BaseException:
        # Nothing has run with these keys; half a network would be in the way of the next attempt.
        for home in folder.glob("super-*"):
            shutil.rmtree(home, ignore_errors=True)
        (folder / GENESIS_FILE).unlink(missing_ok=True)
        raise
    return Network([Member(load_config(home, {})) for home in homes]), True


def check_ports(port: int, validators: int) -> None:
    """Whether so many nodes can have their ports from `port` on. Malformed(BAD_CONFIG), Unavailable(PORT_IN_USE)."""
    if validators < 1:
        raise Malformed(BAD_CONFIG, "a network has at least one validator")
    last_port = port + PORTS_PER_NODE * (validators - 1) + API_PORT
    if not 0 < port <= last_port <= PORT_MAX:
        raise Malformed(BAD_CONFIG, f"{validators} nodes from port {port} on would need port {last_port}; ports end at {PORT_MAX}")
    for number in range(validators):
        for offset in (PEER_PORT, API_PORT):
            _check_free(f"127.0.0.1:{port + PORTS_PER_NODE * number + offset}", "choose other ports with --port, or stop what uses it")


def _homes(folder: Path) -> list[Path]:
    """The nodes' folders of the network in `folder`, in order; none when the folder is still to be made, or empty.

    Rejected for a part of a network and for a single node, UsageError for any other folder with something in it.
    """
    found = {int(match[1]): home for home in folder.glob("super-*") if (match := re.fullmatch("super-([0-9]{1,6})", home.name))}
    homes = [found[number] for number in sorted(found)]
    if bool(homes) != (folder / GENESIS_FILE).exists() or (not homes and (folder / CONFIG_FILE).exists()):
        raise Rejected(HOME_EXISTS, f"{folder} holds something else than a network, or a part of one; name another --dir")
    if not homes and folder.exists():
        # The passphrase is all that an attempt leaves which was not carried to its end.
        foreign = sorted(path.name for path in folder.iterdir() if path.name != PASSPHRASE_FILE)
        if foreign:
            raise UsageError(f"{folder} is not empty and holds no network of ours, but {foreign[0]!r}; name a new or an empty --dir")
    return homes


def _check_same(folder: Path, network: Network, validators: int | None, port: int | None) -> None:
    """Rejected(BAD_CONFIG) when the network that is there is not the one that was asked for."""
    members = network.members
    if validators is not None and len(members) != validators:
        raise Rejected(BAD_CONFIG, f"{folder} holds a network of {len(members)} validators, not {validators}; name another --dir")
    has_port = split_address(members[0].config.api_listen)[1] - API_PORT
    if port is not None and has_port != port:
        raise Rejected(BAD_CONFIG, f"the network in {folder} has its ports from {has_port} on, which its genesis names; leave out --port")


def _ending(member: Member, code: int) -> str:
    """How a node ended, in words."""
    if code < 0:
        return f"{member.config.node_name} was killed by {signal.Signals(-code).name}"
    last = log_tail(member, 1)
    why = f" ({last.removeprefix(REASON)})" if last.startswith(REASON) else ""
    return f"{member.config.node_name} ended with exit code {code}{why}"


def _forget(member: Member) -> None:
    """Let go of a process that has ended."""
    assert member.process is not None
    if member.process.stdin is not None:
        member.process.stdin.close()
    member.process = None


def log_tail(member: Member, lines: int = 8) -> str:
    """The last lines of a node's log, or the one line that says why it ended."""
    try:
        last = member.log_path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return "(no log)"
    if not last:
        return "(nothing)"
    return last[-1] if last[-1].startswith(REASON) else "\n".join(last)


def get_json(url: str, timeout_s: float = 5.0) -> object:
    """What a GET answers, as JSON."""
    with urllib.request.urlopen(url, timeout=timeout_s) as answer:
        return json.load(answer)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _check_free(address: str, advice: str = "does this network run already? Stop what uses it") -> None:
    host, port = split_address(address)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Unavailable(PORT_IN_USE, f"{address} cannot be used ({error.strerror}): {advice}") from error
