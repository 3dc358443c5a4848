"""The figures of the footprint, from folders and numbers made by hand."""

import os
from pathlib import Path

import footprint
import pytest


def test_disk_is_counted_in_whole_blocks_by_folder(tmp_path: Path):
    (tmp_path / "data" / "ledger").mkdir(parents=True)
    (tmp_path / "data" / "ledger" / "a").write_bytes(b"x")
    (tmp_path / "data" / "ledger" / "b").write_bytes(os.urandom(10_000))
    (tmp_path / "log").write_bytes(b"")
    with (tmp_path / "data" / "ledger" / "a").open("r+b") as file:
        os.fsync(file.fileno())  # some file systems find a place only then
    with (tmp_path / "data" / "ledger" / "b").open("r+b") as file:
        os.fsync(file.fileno())
    sizes = footprint.disk_bytes(tmp_path)
    assert sizes["."] == 0
    assert sizes["data/ledger"] == sum(os.stat(tmp_path / "data" / "ledger" / name).st_blocks * 512 for name in "ab") > 10_001


def test_a_file_that_goes_while_we_look_is_left_out(tmp_path: Path):
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert footprint.disk_bytes(tmp_path) == {}


def test_growth_is_told_per_part_for_a_thousand_transactions():
    before, after = {"ledger": 1_000, "keys": 4_096}, {"ledger": 11_000, "keys": 4_096, "journal": 500}
    assert footprint.per_thousand(before, after, 2_000) == {"ledger": 5_000, "journal": 250, "all": 5_250}


def test_what_shrank_counts_against_the_whole():
    assert footprint.per_thousand({"journal": 900, "old": 100}, {"journal": 400}, 1_000) == {"journal": -500, "all": -600}


SMALL, LARGE = {"bytes": 3_000, "p50_ms": 0.5, "p99_ms": 1.0}, {"bytes": 6_000, "p50_ms": 0.5, "p99_ms": 3.0}
BINARY = {**LARGE, "bytes": 4_000}


@pytest.mark.parametrize(
    ("idle_rss_mb", "start_s", "last", "binary", "missed"),
    [
        (100.0, 10.0, LARGE, BINARY, None),
        (100.1, 10.0, LARGE, BINARY, "idle_rss_mb"),
        (100.0, 10.1, LARGE, BINARY, "start_s"),
        (100.0, 10.0, {**LARGE, "bytes": 6_001}, BINARY, "bundle_bytes"),
        (100.0, 10.0, LARGE, {**BINARY, "bytes": 4_001}, "binary_bytes"),
        (100.0, 10.0, {**LARGE, "p99_ms": 3.01}, BINARY, "verify_ms"),
        (100.0, 10.0, LARGE, {**BINARY, "p99_ms": 3.01}, "verify_ms"),
    ],
)
def test_each_target_is_met_up_to_its_edge_by_the_worst_bundle(idle_rss_mb, start_s, last, binary, missed):
    told, told_binary = {"a": SMALL, "b": last, "c": SMALL}, {"a": SMALL, "b": binary, "c": SMALL}
    met = footprint.against_targets(idle_rss_mb=idle_rss_mb, start_s=start_s, told=told, told_binary=told_binary)
    assert met == {name: name != missed for name in ("idle_rss_mb", "start_s", "bundle_bytes", "binary_bytes", "verify_ms")}
