"""docs/backbone.md does what it says: its commands make two chains and a gateway, and print what stands there."""

import sys
from pathlib import Path

import pytest

from tests.e2e.pages import MASKS, Page, masked

PAGE = Page("backbone.md")
MORE = (
    (r"127\.0\.0\.1:\d{5}", "NODE"),
    (r"until \d+ ms", "until N ms"),
    (r"\b\d+ (second|minute)s?\b", "N seconds"),
    (r"\d+ s\b", "N s"),
    (r"header( is)? 1-\d+", r"header\1 1-N"),
    (r"header \d+", "header N"),
    (r"height \d+", "height N"),
    (r"heights \d+(, \d+)*", "heights N"),
    (r"\b[0-9a-f]{40}\b", "ADDRESS"),
    (r"it keeps \d+", "it keeps N"),
    (r"[\d,]+ updates?", "N updates"),
    (r"[\d,]+ days", "N days"),
    (r"\b1576\d{5}\b", "FIVE YEARS"),
    (r"\d{13}", "MS"),
    (r"key +[0-9a-f]{64}", "key KEY"),
    (r"(main|grain|metal) +\d+  \d", r"\1 N  1"),
    (r"\d+ wait,", "N wait,"),
    (r" {2,}", " "),
)
# The commands as they are, with ports of the test's own: the page takes those that are the defaults.
SHELL = """\
chainnode() {{
  case "$1 " in
    "run ") exec "{python}" -m chainnode.cli.main "$@";;
    "init ") case "$*" in *--api*) ;; *) set -- "$@" --peers 127.0.0.1:{peers} --api 127.0.0.1:{api};; esac;;
    "submit "|"chain "|"client "|"query "|"anchor ")
      case "$*" in *--node*|"chain form"*) ;; *) set -- "$@" --node http://127.0.0.1:{api};; esac;;
  esac
  "{python}" -m chainnode.cli.main "$@" || return
  case "$1 $2" in "relay init") sed -i 's/:26657/:{api}/; s/:27657/:{other}/; s/:26690/:{relay}/' relay/relay.toml;; esac
}}
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"""


def run(folder: Path, base: int) -> list[str]:
    """What the commands print, on ports from `base` on."""
    ports = {26656: base + 6, 26657: base + 7, 27656: base + 16, 27657: base + 17, 26690: base + 9}
    shell = SHELL.format(python=sys.executable, peers=base + 6, api=base + 7, other=base + 17, relay=base + 9)
    return PAGE.run_shell(folder, ports, shell)


@pytest.mark.e2e
def test_the_page_prints_what_it_shows(tmp_path: Path, base_port: int) -> None:
    printed = run(tmp_path, base_port)
    assert len(printed) == len(list(PAGE.steps())) > 40
    for (command, shown), got in zip(PAGE.steps(), printed, strict=True):
        assert masked(got, (*MASKS, *MORE)) == masked(shown, (*MASKS, *MORE)), f"$ {command}\n{got}"
