from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings_yaml import MAX_FILE_BYTES, parse_value, parse_yaml, read_yaml


def test_parse_yaml_takes_keys_as_they_are_written() -> None:
    """``null:`` and ``on:`` are names of keys in a service file, not YAML's own values."""
    document = parse_yaml("{null: reject, on: true, 1: x}", origin="f")
    assert document.data == {"null": "reject", "on": True, "1": "x"}


def test_parse_yaml_knows_the_line_of_each_key() -> None:
    """Messages name the line."""
    document = parse_yaml("a:\n  b: 1\n  c: [{d: 2}]\n", origin="f")
    assert document.lines == {("a",): 1, ("a", "b"): 2, ("a", "c"): 3, ("a", "c", "0", "d"): 3}


def test_parse_yaml_refuses_a_doubled_key() -> None:
    """The last one would win in silence otherwise."""
    with pytest.raises(SettingsError, match=r"f:2: a is given twice"):
        parse_yaml("a: 1\na: 2\n", origin="f")


def test_parse_yaml_refuses_an_alias_bomb() -> None:
    """A short text must not become a huge tree."""
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    with pytest.raises(SettingsError, match="aliases"):
        parse_yaml(bomb, origin="f")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &a [*a]", "contains itself"),
        ("a: !!python/object/apply:os.system [x]", "not valid YAML"),
        ("- 1", "not a list"),
        ("a: [", "not valid YAML"),
        ("{[1]: 2}", "plain text"),
        ("[" * 5000, "too deeply"),
    ],
)
def test_parse_yaml_refuses_what_is_no_plain_mapping(text: str, message: str) -> None:
    """Whatever the text holds, the answer is one line."""
    with pytest.raises(SettingsError, match=message):
        parse_yaml(text, origin="f")


def test_read_yaml_refuses_a_huge_file(tmp_path: Path) -> None:
    """The size is looked at before anything is read."""
    file = tmp_path / "big.yaml"
    file.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(SettingsError, match="larger than"):
        read_yaml(file)


def test_read_yaml_says_how_to_make_a_missing_file(tmp_path: Path) -> None:
    """The first message a newcomer meets leads on."""
    with pytest.raises(SettingsError, match="tidemill init"):
        read_yaml(tmp_path / "tidemill.yaml")


def test_parse_value_reads_only_lists_and_maps() -> None:
    """A password that looks like a number stays a text."""
    assert [parse_value(text, origin="f") for text in ("12345", "true", "[a, b]", "{a: 1}")] == [
        "12345",
        "true",
        ["a", "b"],
        {"a": 1},
    ]
