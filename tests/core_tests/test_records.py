import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.core import records
from pipeline.core.errors import DataError
from pipeline.core.records import read_records
from pipeline.data.samples import Sample, normalise

RECORD = {
    "id": "a1",
    "image": "dog.jpg",
    "conversations": [{"from": "human", "value": "何ですか。"}, {"from": "gpt", "value": "犬です。"}],
}


def test_an_array_and_lines_hold_the_same_records(tmp_path):
    records = [RECORD, {**RECORD, "id": "a2"}]
    (tmp_path / "a.json").write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")
    lines = [json.dumps(each, ensure_ascii=False) for each in records]
    (tmp_path / "a.jsonl").write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    assert list(read_records(tmp_path / "a.json")) == list(enumerate(records))
    assert list(read_records(tmp_path / "a.jsonl")) == list(enumerate(records))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_records(tmp_path, name):
    text = json.dumps([RECORD]) if name == "a.json" else json.dumps(RECORD)
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert list(read_records(tmp_path / name)) == [(0, RECORD)]


@pytest.mark.parametrize("line", [b"{'id': 1}", b"\xff\xfe\x00", b'{"id": ', b"[" * 100_000, b"1" * 10_000])
def test_a_line_that_is_not_json_is_a_finding_and_the_others_are_read(tmp_path, line):
    good = json.dumps(RECORD).encode()
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([good, line, good]))
    first, bad, last = (normalise(value, record_index=index) for index, value in read_records(tmp_path / "a.jsonl"))
    assert isinstance(first, Sample)
    assert isinstance(last, Sample)
    assert (bad.check, bad.record_index, bad.sample_id) == ("record_not_json", 1, None)


def test_lines_in_a_json_file_are_explained(tmp_path):
    (tmp_path / "a.json").write_text("{}\n{}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.json is not JSON: .*; for one record per line, name the file \.jsonl"):
        list(read_records(tmp_path / "a.json"))


def test_a_json_file_without_an_array_is_explained(tmp_path):
    (tmp_path / "a.json").write_text("{}", encoding="utf-8")
    with pytest.raises(DataError, match="must hold a JSON array of records; its top level is a dict"):
        list(read_records(tmp_path / "a.json"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[{"id": 1}, {"id": ', "Expecting value, at record 1"),
        ('[{"id": 1} {"id": 2}]', "Expecting ',' or ']', at record 1 near '.*\\[{\"id\": 1} {\"id\": 2}]'"),
        ('[{"id": 1},]', "Expecting value, at record 1"),
        ('[{"id": 1}', "Expecting ',' or ']', at record 1"),
        ("[] []", r"Extra data after the array, at record 0 near '\[\] \[\]'"),
        ("", "Expecting value, at record 0"),
        ("[" * 100_000, "at record 0"),
    ],
)
def test_a_broken_array_names_the_record(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(read_records(tmp_path / "a.json"))


def test_an_array_that_is_not_utf8_is_explained(tmp_path):
    (tmp_path / "a.json").write_bytes('["犬"]'.encode("cp932"))
    with pytest.raises(DataError, match=r"a\.json is not JSON: it is not UTF-8"):
        list(read_records(tmp_path / "a.json"))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"no\.json cannot be read: No such file or directory"):
        list(read_records(tmp_path / "no.json"))


def test_a_record_without_an_end_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORD_CHARACTERS", 5000)
    monkeypatch.setattr(records, "CHUNK_BYTES", 1000)
    (tmp_path / "a.json").write_text('["' + "a" * 100_000, encoding="utf-8")
    seen = []
    with pytest.raises(DataError, match="Unterminated string starting at, at record 0"):
        list(read_records(tmp_path / "a.json", advance=seen.append))
    assert sum(seen) < 20_000


def test_all_bytes_of_a_file_are_reported(tmp_path):
    for name, text in (("a.json", json.dumps([RECORD] * 3)), ("a.jsonl", f"{json.dumps(RECORD)}\n" * 3)):
        (tmp_path / name).write_text(text, encoding="utf-8")
        seen = []
        list(read_records(tmp_path / name, advance=seen.append))
        assert sum(seen) == len(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=8), st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_an_array_read_in_pieces_is_the_array(tmp_path_factory, values, chunk, indent, is_ascii):
    file = tmp_path_factory.mktemp("array") / "a.json"
    file.write_text(json.dumps(values, indent=indent, ensure_ascii=is_ascii), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "CHUNK_BYTES", chunk)
        assert list(read_records(file)) == list(enumerate(values))


def test_a_fault_in_the_middle_of_a_record_is_shown(tmp_path):
    text = json.dumps([RECORD, {**RECORD, "note": "x" * 500}]).replace('"note": ', '"note" ')
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"Expecting ':' delimiter, at record 1 near '.*\"note\" \"xxxxxxx.*'$"):
        list(read_records(tmp_path / "a.json"))


@pytest.mark.parametrize("text", ['[{"id": 1}]', '\n  [\n {"id": 1}]', '\ufeff[{"id": 1}]'])
def test_an_array_under_the_name_of_lines_is_explained(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.jsonl holds a JSON array, not one record per line; name it \.json"):
        list(read_records(tmp_path / "a.jsonl"))


@pytest.mark.parametrize("is_last", [False, True])
def test_a_line_that_is_too_long_is_a_finding_read_at_constant_memory(tmp_path, monkeypatch, is_last):
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 2_000_000)
    good = json.dumps(RECORD).encode()
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(good + b"\n" + b'"' + b"x" * 50_000_000 + (b"" if is_last else b'"\n' + good))
    told = []
    tracemalloc.start()
    values = list(read_records(tmp_path / "a.jsonl", advance=told.append))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [index for index, _ in values] == list(range(2 if is_last else 3))
    finding = normalise(values[1][1], record_index=1)
    assert (finding.check, "the line is longer than 2.0 MB" in finding.evidence) == ("record_not_json", True)
    assert sum(told) == (tmp_path / "a.jsonl").stat().st_size
    assert peak < 12_000_000


def test_a_line_of_the_greatest_length_is_read(tmp_path, monkeypatch):
    line = json.dumps({"a": "x" * 100}).encode()
    monkeypatch.setattr(records, "MAX_LINE_BYTES", len(line))
    (tmp_path / "a.jsonl").write_bytes(line)
    assert list(read_records(tmp_path / "a.jsonl")) == [(0, {"a": "x" * 100})]


def test_a_record_of_an_array_that_is_too_long_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORD_CHARACTERS", 2_000_000)
    (tmp_path / "a.json").write_bytes(b'[{"id": 1}, "' + b"x" * 20_000_000 + b'"]')
    with pytest.raises(DataError, match=r"Unterminated string .*at record 1 .*; the record is longer than 2\.0 MB"):
        list(read_records(tmp_path / "a.json"))
