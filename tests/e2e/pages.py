"""Tutorials as programs: what a page shows is run on a real network, and what is printed is compared with what stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_MARK = "@@@@ "
LIMIT_S = 480  # for a whole page: minutes where much else runs
# What differs from run to run, and what stands for it. The order counts.
MASKS = (
    (r"did:bid:ef\w+", "DID"),
    (r"z6Mk\w+", "KEY"),
    (r"b06566[0-9a-f]{64}", "KEY"),
    (r"[0-9a-f]{64}", "HASH"),
    (r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
    (r"[Bb]lock \d+", "block N"),
    (r'"height": ?\d+', '"height": N'),
    (r"\d+ of \d+ voting power", "N of N voting power"),
    (r"not before \d+", "not before N"),
    (r"after [\d.]+ s", "after N s"),
    (r"[\d,]+ s ago", "N s ago"),
)


def masked(text: str, masks: Sequence[tuple[str, str]] = MASKS) -> str:
    """The text without what differs."""
    for pattern, word in masks:
        text = re.sub(pattern, word, text)
    return text.strip()


class Page:
    """A tutorial. Its commands stand in blocks `console`, its program in those of `python`; the page writes port 26657."""

    def __init__(self, name: str) -> None:
        self.text = (DOCS / name).read_text(encoding="utf-8")

    def blocks(self, kind: str) -> list[str]:
        """The blocks of a language."""
        return re.findall(rf"^```{kind}\n(.*?)^```", self.text, re.MULTILINE | re.DOTALL)

    def steps(self) -> Iterator[tuple[str, str]]:
        """Each command, its further lines marked by `>`, and what stands below it."""
        for block in self.blocks("console"):
            for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
                lines = part.splitlines()
                more = 1
                while more < len(lines) and lines[more].startswith("> "):
                    more += 1
                yield "\n".join([lines[0], *(line[2:] for line in lines[1:more])]), "\n".join(lines[more:])

    def run_console(self, folder: Path, port: int, cases: str) -> list[str]:
        """What each command prints, all in one shell. `cases` are those of a `case` that adds options to a command of ours."""
        shell = f'chainnode() {{ case "$1 $2" in {cases} esac; "{sys.executable}" -m chainnode.cli.main "$@"; }}'
        return self.run_shell(folder, {26657: port}, shell)

    def run_shell(self, folder: Path, ports: Mapping[int, int], shell: str) -> list[str]:
        """The same after the lines `shell`, with other ports than those that the page writes. Its background jobs end with it."""
        lines = [shell]
        for command, _ in self.steps():
            lines += [f"echo; echo '{_MARK}'", re.sub(r":(\d{5})\b", lambda port: f":{ports.get(int(port[1]), port[1])}", command)]
        (folder / "tour.sh").write_text("\n".join(lines), encoding="utf-8")
        told = subprocess.run(
            ["bash", "tour.sh"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
            env={**os.environ, "COLUMNS": "80"},
        )
        return told.stdout.split(f"\n{_MARK}\n")[1:]

    def run_program(self, folder: Path, port: int) -> str:
        """What the program prints."""
        (folder / "tour.py").write_text("\n\n".join(self.blocks("python")).replace(":26657", f":{port}"), encoding="utf-8")
        told = subprocess.run([sys.executable, "tour.py"], cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert (told.returncode, told.stderr) == (0, "")
        return told.stdout

    def compare(self, printed: list[str], told: str, masks: Sequence[tuple[str, str]] = MASKS) -> None:
        """What was printed is what the page shows."""
        for (command, shown), got in zip(self.steps(), printed, strict=True):
            assert masked(got, masks) == masked(shown, masks), f"$ {command}\n{got}"
        assert masked(told, masks) == masked(self.blocks("text")[0], masks)
