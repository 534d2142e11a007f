from __future__ import annotations

import bz2
import gzip
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from features import compressed
from features.errors import TableError
from features.input_files import open_input, place_of
from features.input_folders import find_files
from features.schema import FeatureSchema, Field, FieldType
from features.tables import file_digest, read_batch

X = FeatureSchema((Field("x", FieldType.DOUBLE, "x"),))
CSV = b"x\n1\n2\n"


def zstd(data: bytes) -> bytes:
    """Return the data compressed as one frame."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


PACKERS: list[tuple[str, Callable[[bytes], bytes]]] = [
    (".gz", gzip.compress),
    (".bz2", bz2.compress),
    (".zst", zstd),
]


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_a_packed_file_is_read_as_the_plain_one(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    """Compression is seen by the first bytes, several members are one file, and the digest is of what is stored."""
    stored = pack(CSV) + pack(b"3\n")
    for path in (tmp_path / f"a.csv{suffix}", tmp_path / "a.csv"):
        path.write_bytes(stored)
        table = read_batch(path, X)
        assert table.batch.columns["x"].tolist() == [1.0, 2.0, 3.0]
        assert table.digest == hashlib.sha256(stored).hexdigest()


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_a_packed_file_that_is_cut_off_or_damaged_is_refused(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """Half of a file is never taken for the whole."""
    whole = pack(CSV * 10_000)
    path = tmp_path / f"a.csv{suffix}"
    behind = [] if suffix == ".bz2" else [whole + b"junk behind"]  # which the bz2 module leaves unread
    for stored in (whole[:-3], whole[: len(whole) // 2], *behind):
        path.write_bytes(stored)
        with pytest.raises(TableError, match="damaged or cut off"):
            read_batch(path, X)


@pytest.mark.parametrize("stored", [b"", CSV])
@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_named_packed_that_is_not_is_refused(tmp_path: Path, stored: bytes, suffix: str) -> None:
    """A download that ended before its first byte is no empty table."""
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(stored)
    with pytest.raises(TableError, match="its first bytes are not"):
        read_batch(path, X)


@pytest.mark.parametrize(("suffix", "pack"), PACKERS)
def test_a_bomb_is_refused_when_it_has_unpacked_to_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """A small file that unpacks without end stops at a limit, in bounded memory."""
    monkeypatch.setattr(compressed, "MAX_UNPACKED_BYTES", 4 << 20)
    path = tmp_path / f"a.csv{suffix}"
    path.write_bytes(pack(b"x\n" + b"\n" * (5 << 20)))
    with pytest.raises(TableError, match="unpacks to more than"):
        read_batch(path, X)


def test_a_file_replaced_or_removed_while_it_is_open_is_still_the_one_opened(tmp_path: Path) -> None:
    """What another program puts under the name is another file; ours is read to its end."""
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    source = open_input(path)
    (tmp_path / "b.csv").write_bytes(b"x\n9\n")
    (tmp_path / "b.csv").replace(path)
    assert source.content().read() == CSV
    path.unlink()
    assert source.digest() == hashlib.sha256(CSV).hexdigest()


@pytest.mark.parametrize("more", [b"x\n1\n2\n3\n", b"x\n1\n9\n"])
def test_a_file_written_to_while_it_is_open_is_refused(tmp_path: Path, more: bytes) -> None:
    """A file that grows, or is changed in place, is not two things at once."""
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    os.utime(path, ns=(1, 1))
    source = open_input(path)
    path.write_bytes(more)
    with pytest.raises(TableError, match="it was changed while it was read"):
        source.digest()


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A folder and a pipe are named for what they are; a pipe does not hang."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TableError, match="no regular file"):
        open_input(tmp_path / "pipe")
    with pytest.raises(TableError, match="Is a directory"):
        open_input(tmp_path)
    with pytest.raises(TableError, match="not from https://"):
        open_input("https://example.org/a.csv")


def test_a_place_may_be_a_uri(tmp_path: Path) -> None:
    """``file://`` is a path, and what ``Path`` makes of a URI is mended."""
    path = tmp_path / "a b.csv"
    path.write_bytes(CSV)
    assert file_digest(path.as_uri()) == hashlib.sha256(CSV).hexdigest()
    assert place_of(Path(path.as_uri())) == str(path)
    assert place_of(Path("s3://bucket/a/b.csv")) == "s3://bucket/a/b.csv"


def test_a_folder_gives_its_tables_by_name(tmp_path: Path) -> None:
    """Hidden files, unknown suffixes and folders in a folder are left out with a line; what is named itself is not."""
    for name in ("b.csv", "a.parquet", "c.CSV.gz", "_SUCCESS", ".d.csv", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "day=1").mkdir()
    found = find_files([tmp_path / "notes.txt", tmp_path, tmp_path / "b.csv"])
    assert [Path(file).name for file in found.files] == ["notes.txt", "a.parquet", "b.csv", "c.CSV.gz"]
    assert [line.removeprefix(f"{tmp_path}/") for line in found.left_out] == [
        ".d.csv: left out: hidden",
        "_SUCCESS: left out: hidden",
        "day=1: left out: a folder in a folder; name it to read it",
        "notes.txt: left out: neither .csv nor .parquet by its name",
    ]


def test_a_folder_passes_over_no_table_that_cannot_be_read(tmp_path: Path) -> None:
    """A link to a file that is gone, or a pipe, is told as such by who opens it, not left out as something else."""
    (tmp_path / "gone.csv").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.csv")
    found = find_files([tmp_path])
    assert ([Path(file).name for file in found.files], found.left_out) == (["gone.csv", "pipe.csv"], [])


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    """A wrong folder is not an empty success."""
    with pytest.raises(TableError, match=r"no file in it is named \.csv or \.parquet"):
        find_files([tmp_path])
