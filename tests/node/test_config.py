"""Settings from file and environment: what wins, what is refused and that its name is told, and that the page about them is true."""

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest

from chainnode.errors import Malformed
from chainnode.node.config import (
    CONFIG_FILE,
    ENVIRONMENT_PREFIX,
    Config,
    load_config,
    login_domains,
    peers_to_dial,
    render_config,
    split_address,
)
from chainnode.types.codes import BAD_CONFIG

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"
SETTINGS = [item for item in fields(Config) if item.name != "home"]
NAMES = [item.name for item in SETTINGS]


def dotted(name: str) -> str:
    return name.replace("_", ".", 1)


def home_with(tmp_path: Path, text: str) -> Path:
    (tmp_path / CONFIG_FILE).write_text(text, encoding="utf-8")
    return tmp_path


def refusal(home: Path, environment: dict[str, str] | None = None) -> str:
    """What is said of settings that are not taken."""
    with pytest.raises(Malformed) as caught:
        load_config(home, environment or {})
    assert caught.value.code is BAD_CONFIG
    return caught.value.detail


# Where settings come from


def test_an_empty_folder_has_the_defaults(tmp_path: Path) -> None:
    assert load_config(tmp_path, {}) == Config(home=tmp_path)


def test_the_file_wins_over_the_default_and_the_environment_over_the_file(tmp_path: Path) -> None:
    home = home_with(tmp_path, '[log]\nlevel = "debug"\n[verify]\nthreads = 4\n')
    assert load_config(home, {}) == Config(home=home, log_level="debug", verify_threads=4)
    both = load_config(home, {"CHAINNODE_LOG_LEVEL": "error", "CHAINNODE_VERIFY_THREADS": "8"})
    assert both == Config(home=home, log_level="error", verify_threads=8)


def test_the_environment_is_that_of_the_process_when_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHAINNODE_NODE_NAME", "from outside")
    assert load_config(tmp_path).node_name == "from outside"


def test_names_that_are_not_settings_may_stand_in_the_environment(tmp_path: Path) -> None:
    """A machine puts its own there, such as Kubernetes for a service called chainnode."""
    assert load_config(tmp_path, {"CHAINNODE_PORT": "tcp://10.0.0.1:80", "CHAINNODE_KEYS_PASSPHRASE": "x"}) == Config(home=tmp_path)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    odd = Config(home=tmp_path, node_name='a "name" with \\ and \t and 名', keys_passphrase_file='keys\\"x"', verify_threads=3)
    for config in (Config(home=tmp_path), odd):
        assert load_config(home_with(tmp_path, render_config(config)), {}) == config


def test_the_written_file_explains_every_setting() -> None:
    text = render_config(Config(home=Path("x")))
    for item in SETTINGS:
        assert f"# {item.metadata['help']}" in text


def test_paths_are_below_the_home(tmp_path: Path) -> None:
    config = Config(home=tmp_path)
    for path in (config.genesis_path, config.validator_key_path, config.node_key_path, config.data_path):
        assert path.is_relative_to(tmp_path)


# What is refused


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[weather]\nsun = "yes"\n', "weather.sun"),
        ('[log]\nlevle = "info"\n', "log.levle"),
        ('home = "elsewhere"\n', "'home' stands outside"),
        ("[log\n", CONFIG_FILE),
        ("[log]\nlevel = 3\n", "log.level must be a text"),
        ("[log]\nlevel = true\n", "log.level must be a text"),
        ('[log]\nlevel = ["info"]\n', "log.level must be a text"),
        ('[verify]\nthreads = "two"\n', "verify.threads must be a whole number"),
        ("[verify]\nthreads = 2.5\n", "verify.threads must be a whole number"),
        ("[verify]\nthreads = true\n", "verify.threads must be a whole number"),
        ("[verify]\nthreads = []\n", "verify.threads must be a whole number"),
        ("[storage]\nkeep_heights = -1\n", "storage.keep_heights"),
        ("[resolver]\nweb = 1\n", "resolver.web must be true or false"),
        ('[resolver]\nweb = "yes"\n', "resolver.web must be true or false"),
        ('[resolver]\nweb_host = "127.0.0.1"\n', "resolver.web_host"),
        ('[resolver]\nweb_host = "https://host.example"\n', "resolver.web_host"),
        ('[resolver]\nweb_root = "did:web:host.example"\n', "resolver.web_root"),
        ('[log]\nlevel = "loud"\n', "log.level"),
        ('[log]\nformat = "xml"\n', "log.format"),
        ("[verify]\nthreads = 0\n", "verify.threads"),
        ("[verify]\nthreads = 65\n", "verify.threads"),
        ("[api]\nbody_bytes_max = 0\n", "api.body_bytes_max"),
        ("[storage]\ncache_bytes = 0\n", "storage.cache_bytes"),
        ("[storage]\nwrite_buffer_bytes = 1\n", "storage.write_buffer_bytes"),
        ("[storage]\nwrite_buffer_bytes = 99999999999999999999\n", "storage.write_buffer_bytes"),
        ('[api]\nlisten = "26657"\n', "api.listen"),
        ('[peers]\nlisten = "host:port"\n', "peers.listen"),
        ('[peers]\ndial = "nonsense"\n', "peers.dial"),
        ('[peers]\ndial = "' + "zz" * 32 + '@host:1"\n', "peers.dial"),
        ('[peers]\ndial = "' + "ab" * 31 + '@host:1"\n', "peers.dial"),
        ('[peers]\ndial = "' + "ab" * 32 + '@host"\n', "peers.dial"),
    ],
)
def test_a_bad_setting_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(home_with(tmp_path, text))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CHAINNODE_VERIFY_THREADS", "many"),
        ("CHAINNODE_VERIFY_THREADS", ""),
        ("CHAINNODE_VERIFY_THREADS", "-1"),
        ("CHAINNODE_VERIFY_THREADS", "٣"),
    ],
)
def test_a_bad_variable_is_refused_by_name(tmp_path: Path, variable: str, value: str) -> None:
    assert "verify.threads" in refusal(tmp_path, {variable: value})


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).mkdir()
    assert CONFIG_FILE in refusal(tmp_path)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_bytes(b"\xff\xfe\x00")
    assert CONFIG_FILE in refusal(tmp_path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("credentials.base_url", "node.example"),
        ("credentials.base_url", "ftp://node.example"),
        ("credentials.base_url", "https://"),
        ("credentials.base_url", "https://node.example/path"),
        ("credentials.base_url", "https://node.example?q"),
        ("credentials.issuer_did", "not-a-did"),
        ("credentials.issuer_did", "did:unknown:1"),
        ("login.domains", "a b"),
        ("login.domains", "x" * 300),
    ],
)
def test_settings_of_credentials_have_their_forms(tmp_path: Path, name: str, value: str) -> None:
    assert name in refusal(tmp_path, {ENVIRONMENT_PREFIX + name.upper().replace(".", "_"): value})


def test_domains_of_logins_are_a_list(tmp_path: Path) -> None:
    config = load_config(tmp_path, {"CHAINNODE_LOGIN_DOMAINS": " shop.example , desk.example:8443,"})
    assert login_domains(config) == ("shop.example", "desk.example:8443")
    assert login_domains(load_config(tmp_path, {})) == ()


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_can_be_given_both_ways(tmp_path: Path, name: str) -> None:
    value = getattr(Config(home=tmp_path), name)
    other = {"log_level": "debug", "log_format": "text"}.get(name)
    if name.endswith("_listen"):
        other = "127.0.0.1:1"
    elif name == "peers_dial":
        other = "ab" * 32 + "@host:1"
    elif name == "resolver_web_host":
        other = "host.example:8443"
    elif name in ("resolver_web_root", "credentials_issuer_did"):
        other = "did:bid:efnVUgqQFfYeu97ABf6sGm3WFtVXHZB2"
    elif name == "credentials_base_url":
        other = "https://node.example"
    changed = not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else other or value + "x"
    expected = replace(Config(home=tmp_path), **{name: changed})
    assert load_config(tmp_path, {ENVIRONMENT_PREFIX + name.upper(): str(changed)}) == expected
    table, _, key = name.partition("_")
    text = f"{changed}".lower() if isinstance(changed, int) else f'"{changed}"'
    assert load_config(home_with(tmp_path, f"[{table}]\n{key} = {text}\n"), {}) == expected


# Addresses


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("host.example:65535", ("host.example", 65535)),
        ("[::1]:80", ("::1", 80)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
    ],
)
def test_an_address_is_host_and_port(text: str, parts: tuple[str, int]) -> None:
    assert split_address(text) == parts


@pytest.mark.parametrize("text", ["", "host", ":80", "host:", "host:80x", "host:65536", "host:-1", "host:٣"])
def test_anything_else_is_no_address(text: str) -> None:
    with pytest.raises(Malformed) as caught:
        split_address(text)
    assert caught.value.code is BAD_CONFIG


def test_peers_to_dial_are_keys_and_addresses() -> None:
    one, two = "ab" * 32, "CD" * 32
    config = Config(home=Path("x"), peers_dial=f"{one}@h:1, {two}@[::1]:2,")
    assert peers_to_dial(config) == ((bytes.fromhex(one), ("h", 1)), (bytes.fromhex(two), ("::1", 2)))
    assert peers_to_dial(Config(home=Path("x"))) == ()


# The page


def rows() -> dict[str, tuple[str, str]]:
    """Setting -> default and meaning, as the page has them."""
    return {
        name: (default, meaning)
        for name, default, meaning in re.findall(r"^\| `([a-z_.]+)` \| ([^|]*) \| (.*) \|$", PAGE.read_text(), re.M)
    }


def test_the_page_has_every_setting_and_no_other_in_their_order() -> None:
    assert [name for name in rows() if name.count(".") == 1 and name != "config.toml"] == [dotted(name) for name in NAMES]


@pytest.mark.parametrize("item", SETTINGS, ids=NAMES)
def test_the_page_tells_each_default_and_variable(item) -> None:
    told, meaning = rows()[dotted(item.name)]
    default = item.default if isinstance(item.default, str) else str(item.default).lower()
    assert told.strip("` ") == (default or "empty")
    assert len(meaning) > 10


def test_the_page_tells_how_a_variable_is_named() -> None:
    text = PAGE.read_text()
    for variable in re.findall(r"CHAINNODE_[A-Z_]+", text):
        assert variable.removeprefix(ENVIRONMENT_PREFIX).lower() in [*NAMES, "keys_passphrase", "native"], variable
    assert "`CHAINNODE_API_LISTEN`" in text
