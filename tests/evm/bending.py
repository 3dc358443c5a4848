"""Contracts with one rule bent, compiled."""

from tests.evm.machine import compiled, sources

TOGETHER = 10  # compiled at once; many more are too much for the compiler


def bent_codes(rows: list[tuple[str, str, str]], parts: tuple[str, ...]) -> list[dict[str, bytes]]:
    """For each (file, find, replace) the creation codes, by contract, of `parts` with this one text replaced."""
    texts = sources()
    found: list[dict[str, bytes]] = []
    for start in range(0, len(rows), TOGETHER):
        made = {}
        for number, (file, find, replace) in enumerate(rows[start : start + TOGETHER]):
            assert texts[file].count(find) == 1, f"{find!r} stands {texts[file].count(find)} times in {file}"
            made |= {f"{number}/{part}": texts[part].replace(find, replace) if part == file else texts[part] for part in parts}
        codes = compiled(made, is_bent=True)
        for number in range(len(rows[start : start + TOGETHER])):
            begin = f"{number}/"
            found.append({name.removeprefix(begin): code for name, code in codes.items() if name.startswith(begin)})
    return found
