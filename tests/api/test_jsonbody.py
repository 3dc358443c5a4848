"""JSON of strangers: what is not JSON is refused, and so is what would take long, before it is read."""

import json

import pytest

from chainnode.api import jsonbody
from chainnode.api.jsonbody import read_json
from chainnode.errors import Malformed
from chainnode.types.limits import JSON_PARTS_MAX


@pytest.mark.parametrize("text", ['{"a": [1, "b"]}', "null", '"' + "x" * 1_000_000 + '"', json.dumps(list(range(JSON_PARTS_MAX)))])
def test_json_is_read_from_texts_and_bytes(text):
    assert read_json(text) == read_json(text.encode()) == json.loads(text)


def test_objects_are_made_as_asked():
    assert read_json(b'{"a": {"b": 1}}', pairs=lambda pairs: [name for name, _ in pairs]) == ["a"]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 15_000, b"1" * 5_000])
def test_what_is_no_json_is_refused(body):
    with pytest.raises(Malformed):
        read_json(body)


@pytest.mark.parametrize("unit", ["[]", "{}", "0"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_what_would_take_long_is_refused_before_it_is_read(monkeypatch, unit, encoding):
    text = f"[{','.join([unit] * (JSON_PARTS_MAX + 1))}]"
    json.loads(text.encode(encoding))
    monkeypatch.setattr(jsonbody, "json", None)
    with pytest.raises(Malformed, match="parts"):
        read_json(text.encode(encoding))
