"""`tidemill buffer load` as a process: killed, doubled, out of room, with more rows than memory, from S3."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from service.cli import run
from tests.support.s3_server import s3_server
from tests.support.volumes import memory_volume

SERVICE = """version: 1
name: bulk
features:
  id: id
  key: card
  time: t
  fields:
    - {name: amount, from: payment.amount, type: double}
    - {name: country, type: string, null: default, default: unknown}
labels: {inline: y, id: ref, label: status, time: posted, map: {CB: fraud, OK: ok}}
buffer: {uri: BUFFER, flush_max_records: FLUSH}
model: {positive: fraud}
"""
NAMES = ("CB", "OK", "")
MAX_RSS = 700 << 20  # bytes; the rows of the largest file here take more than that as Python's own values


def a_project(folder: Path, *, flush: int, buffer: str = "./buffer") -> list[str]:
    """Return the beginning of a command in a folder with a service file."""
    folder.mkdir(exist_ok=True)
    service = folder / "tidemill.yaml"
    service.write_text(SERVICE.replace("FLUSH", str(flush)).replace("BUFFER", buffer))
    return ["-c", str(service), "buffer", "load"]


def a_csv(path: Path, rows: int, *, bad_every: int = 0) -> Path:
    """Return a file of events of the last days; every so many rows one has a wrong amount."""
    now = int(time.time() * 1000)
    with path.open("w") as file:
        file.write("id,card,t,payment.amount,country,y\n")
        for row in range(rows):
            amount = "?" if bad_every and row % bad_every == 7 else repr(row / 7)
            file.write(f"e{row},c{row % 97},{now - row % 5 * 86_400_000},{amount},DE,{NAMES[row % 3]}\n")
    return path


def rows_of(folder: Path, table: str = "features") -> pa.Table:
    """Return everything in a table, by row number."""
    found = deltalake.DeltaTable(folder / table).to_pyarrow_table()
    return pa.table(found).sort_by("record_offset")


def a_process(arguments: list[str], env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Return the command, started."""
    whole = None if env is None else {**os.environ, **env}
    command = [sys.executable, "-m", "service", *arguments]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=whole)


def test_a_load_that_is_killed_goes_on_and_has_every_row_once(tmp_path: Path) -> None:
    """Killed at any moment and begun again, also with its rejects, it ends as if it had run once."""
    rng = random.Random(5)
    command = a_project(tmp_path, flush=300)
    path = a_csv(tmp_path / "in.csv", 30_000, bad_every=1_000)
    rejects = tmp_path / "rejects.csv"
    again = [*command, str(path), "--rejects", str(rejects)]
    for _ in range(6):
        _kill_after_commits(a_process(again), tmp_path / "buffer", rng)
    assert not rejects.exists()
    process = a_process(again)
    said = process.communicate()[1]
    assert "were there already" in said
    assert (process.returncode, "left out 30" in said) == (1, True), said
    rows = rows_of(tmp_path / "buffer")
    kept = [row for row in range(30_000) if row % 1_000 != 7]
    assert rows["record_offset"].to_pylist() == kept
    assert rows["amount"].to_pylist() == [row / 7 for row in kept]
    assert rows["inline_label"].to_pylist() == [{"CB": "fraud", "OK": "ok"}.get(NAMES[row % 3]) for row in kept]
    lines = [line.split(",")[1] for line in rejects.read_text().splitlines()[1:]]
    assert lines == [str(2 + row) for row in range(7, 30_000, 1_000)]
    assert run([*command, str(path)]) == 0
    assert rows_of(tmp_path / "buffer").num_rows == len(kept)


def _kill_after_commits(process: subprocess.Popen[str], buffer: Path, rng: random.Random) -> None:
    """Kill a load at some moment behind its first few commits, which it must not outlive."""

    def commits() -> int:
        return len(list((buffer / "features" / "_delta_log").glob("*.json")))

    target = commits() + rng.randint(1, 8)
    while commits() < target and process.poll() is None:
        time.sleep(0.001)
    time.sleep(rng.uniform(0, 0.03))  # anywhere within the next commit
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def test_two_loads_of_one_file_at_once_share_the_work(tmp_path: Path) -> None:
    """Cron and a person may begin the same file; each row is there once."""
    command = a_project(tmp_path, flush=200)
    path = a_csv(tmp_path / "in.csv", 4_000)
    assert run([*command, str(a_csv(tmp_path / "first.csv", 1))]) == 0  # the tables are there
    both = [a_process([*command, str(path)]) for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    digests = rows_of(tmp_path / "buffer")["record_topic"].to_pylist()
    assert digests.count("in.csv") == 4_000


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_larger_than_memory_is_read_in_pieces(tmp_path: Path, kind: str) -> None:
    """A million rows take the memory of a piece and of one commit."""
    command = a_project(tmp_path, flush=20_000)
    path = tmp_path / f"in.{kind}"
    if kind == "csv":
        a_csv(path, 1_000_000)
    else:
        _a_parquet(path, 1_000_000)
    limited = [sys.executable, "-c", _MEASURED, *command, str(path)]
    done = subprocess.run(limited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert deltalake.DeltaTable(tmp_path / "buffer" / "features").version() >= 50
    assert int(done.stdout) < MAX_RSS


# Not getrusage: its peak is that of the process that started this one, too, where that was larger.
_MEASURED = """
import re, sys
from service.cli import run
code = run(sys.argv[1:])
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
sys.exit(code)
"""


def _a_parquet(path: Path, rows: int) -> None:
    """Write events in one row group, as some programs do."""
    numbers = pa.array(range(rows))
    now = pa.scalar(int(time.time() * 1000))
    amount = pa.StructArray.from_arrays([numbers.cast(pa.float64())], ["amount"])
    text = numbers.cast(pa.string())
    table = {"id": text, "card": text, "t": pa.array([now.as_py()] * rows), "payment": amount}
    same = pa.array(["DE"] * rows)
    pq.write_table(pa.table({**table, "country": same, "y": pa.nulls(rows, pa.string())}), path, row_group_size=rows)


def test_a_full_disk_stops_the_load_with_a_line_and_it_goes_on(tmp_path: Path) -> None:
    """What was committed stays; with room again the same command ends the work."""
    path = a_csv(tmp_path / "in.csv", 60_000)
    with memory_volume(tmp_path / "volume", megabytes=12) as volume:
        command = a_project(tmp_path, flush=1_000, buffer=str(volume.folder / "buffer"))
        assert run([*command, str(a_csv(tmp_path / "first.csv", 1))]) == 0
        volume.fill()
        process = a_process([*command, str(path)])
        said = process.communicate()[1]
        assert (process.returncode, "run the same command again" in said) == (1, True), said
        assert "Traceback" not in said
        volume.free()
        assert run([*command, str(path)]) == 0
        names = rows_of(volume.folder / "buffer")["record_topic"].to_pylist()
        assert names.count("in.csv") == 60_000


def test_labels_are_loaded_into_their_table(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A file of labels is read by the paths of ``labels``; what is no label is left out with its line."""
    command = a_project(tmp_path, flush=100)
    now = int(time.time() * 1000)
    path = tmp_path / "labels.csv"
    path.write_text(f"ref,status,posted\ne1,CB,{now}\ne2,,{now}\ne3,maybe,{now}\n")
    assert run([*command, "--labels", str(path), "--dry-run"]) == 1
    assert not (tmp_path / "buffer").exists()
    assert run([*command, "--labels", str(path)]) == 1
    assert f"{path}, line 4: label: the text 'maybe' is none of the classes" in capfd.readouterr().err
    rows = rows_of(tmp_path / "buffer", "labels").to_pylist()
    assert [(row["event_id"], row["label"], row["record_key"]) for row in rows] == [
        ("e1", "fraud", b"e1"),
        ("e2", None, b"e2"),
    ]


def test_objects_are_loaded_from_s3_by_key_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket is read as a folder is, and its files are known by their bytes."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    command = a_project(tmp_path, flush=100)
    csv, parquet = a_csv(tmp_path / "in.csv", 5), tmp_path / "in.parquet"
    _a_parquet(parquet, 7)
    objects = {"b/in/a.csv.gz": gzip.compress(csv.read_bytes()), "b/in/b.parquet": parquet.read_bytes()}
    with s3_server({**objects, "b/in/_SUCCESS": b""}) as query:
        assert run([*command, f"s3://b/in/a.csv.gz?{query}"]) == 0
        assert run([*command, f"s3://b/in?{query}"]) == 0
    names = rows_of(tmp_path / "buffer")["record_topic"].to_pylist()
    assert sorted(names) == ["a.csv.gz"] * 5 + ["b.parquet"] * 7
