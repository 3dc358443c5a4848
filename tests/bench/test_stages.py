"""Where a sample of processor time counts: by the innermost function of a stage, by the library, by what a function in C is for."""

import pytest
import stages


@pytest.mark.parametrize(
    ("frames", "stage"),
    [
        (["run (/x/chainnode/node/host.py:1)", "record (/x/contracts/evidencelane.py:2)", "sha (/lib/hashlib.py:3)"], "apply"),
        (["run (/x/chainnode/node/host.py:1)", "read_sheet (/x/chainnode/sheets.py:2)"], "decode"),
        (["submit (/x/chainnode/api/submissions.py:1)", "follow_batch (/x/chainnode/node/following.py:2)"], "HTTP"),
        (["start (/lib/aiohttp/web_protocol.py:1)"], "HTTP"),
        (["main (/x/bench/stages.py:1)"], "event loop"),
    ],
)
def test_a_stack_counts_for_its_innermost_stage(frames: list[str], stage: str) -> None:
    assert stages.stage_of(frames) == stage


def test_every_file_of_the_tables_exists() -> None:
    known = [
        path.relative_to(stages.ROOT).as_posix() for folder in ("chainnode", "contracts") for path in (stages.ROOT / folder).rglob("*.py")
    ]
    for beginning, _ in stages._FILES:
        assert beginning.startswith("aiohttp") or any(name.startswith(beginning) for name in known), beginning
    sources = "\n".join((stages.ROOT / name).read_text() for name in known)
    for function in stages._FUNCTIONS:
        assert f"def {function}(" in sources, function


def test_functions_of_signatures_are_told_from_the_rest_of_their_library() -> None:
    assert stages.library_of("_verify.abi3.so", "ifma_sums.constprop.0") == "signatures in C"
    assert stages.library_of("_verify.abi3.so", "record_head") == "batches and records in C"
    assert stages.library_of("[kernel.kallsyms]", "copy") == "the kernel"
    assert stages.library_of("python3.11", "_PyEval_EvalFrameDefault") == "the interpreter"
    assert {"sha512_blocks", "fe_power_250", "table_build"} <= stages.signature_functions()
