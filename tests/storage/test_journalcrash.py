"""The journal over losses of power at any moment: what was synced is replayed, the rest in part at most, and nothing is taken for damage.

Of what was not synced, each sector is on disk as it was or as it was written, whatever became of those in front of it.
"""

import os
from pathlib import Path
from random import Random

import pytest

from chainnode.storage import journal as module
from chainnode.storage.journal import Journal

SECTOR = 512


class Power:
    """Files of a folder as the disk has them for sure, and as they are read until the power fails."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.safe: dict[str, bytes] = {}
        for name in ("fdatasync", "fsync"):
            patch.setattr(module.os, name, self.synced)
        patch.setattr(module, "sync_folder", lambda folder: None)

    def synced(self, file: int) -> None:
        for path in self.folder.iterdir():
            if path.stat().st_ino == os.fstat(file).st_ino:
                self.safe[path.name] = path.read_bytes()

    def fail(self, dice: Random) -> None:
        """Each sector is the old or the new one, and the file as long as before, as now, or something between."""
        for path in self.folder.iterdir():
            new, old = path.read_bytes(), self.safe.get(path.name, b"")
            length = dice.choice((len(old), len(new), dice.randint(min(len(old), len(new)), max(len(old), len(new)))))
            old, new = old.ljust(length, b"\x00"), new.ljust(length, b"\x00")
            likely = dice.choice((0.1, 0.5, 0.9))
            found = [(new if dice.random() < likely else old)[at : at + SECTOR] for at in range(0, length, SECTOR)]
            path.write_bytes(b"".join(found)[:length])
            self.safe[path.name] = path.read_bytes()


@pytest.mark.parametrize("seed", range(4))
def test_inv_8_a_loss_of_power_at_any_moment_loses_what_was_not_synced_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(module, "JOURNAL_KEPT_BYTES_MAX", 6_000)
    dice, folder = Random(seed), tmp_path / "data"
    folder.mkdir()
    power = Power(folder, monkeypatch)
    height, synced, waiting = 1, list[bytes](), list[bytes]()
    seen = 0
    journal = Journal(folder)
    journal.begin(height)
    for step in range(1_500):
        said = f"seed {seed}, step {step}, height {height}"
        kind = dice.random()
        if kind < 0.5:
            waiting.append(dice.randbytes(dice.choice((0, 3, 40, 500, 700, 3_000))))
            journal.append(waiting[-1])
        elif kind < 0.8:
            journal.sync()
            synced, waiting = synced + waiting, []
        elif kind < 0.9:
            height += dice.choice((1, 1, 1, 2))
            journal.begin(height)
            synced, waiting = [], []
        else:
            if dice.random() < 0.5 and waiting:  # while they are written
                with monkeypatch.context() as patch:
                    patch.setattr(module.os, "fdatasync", _cut)
                    with pytest.raises(KeyboardInterrupt):
                        journal.sync()
            journal.close()
            if dice.random() < 0.7:
                power.fail(dice)
            journal = Journal(folder)
            found = journal.replay(height)
            assert found[: len(synced)] == synced and found == (synced + waiting)[: len(found)], said
            seen += len(found) > len(synced)
            synced, waiting = found, []
    assert seen, "some that were not synced were there"
    journal.close()


def _cut(file: int) -> None:
    raise KeyboardInterrupt
