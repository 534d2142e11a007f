"""Apache Kafka's own jars, copied once by Maven into a cache outside git.

`python -m tests.support.kafka_jars` fetches them (`make test` and `make kafka` do); where they are already there it
is done at once.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path

from tests.support.java import JavaMissing, java_home

KAFKA_VERSION = "4.2.0"  # 4.4.0 loses the abort of a transaction that expired while its broker was down
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

# slf4j-simple is the only thing added: without a logger the broker dies without a word.
POM = f"""\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tidemill.tests</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
      <version>{KAFKA_VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


class KafkaJarsMissing(RuntimeError):
    """The jars are not in the cache and cannot be fetched; the message says what to install."""


def kafka_jars() -> Path:
    """Return the folder of the jars, fetching them first where they are missing.

    Several processes may call this at once: one fetches, the others wait. The folder appears whole or not at all.

    Raises:
        KafkaJarsMissing: Maven is not installed, or Maven could not copy the jars.
        JavaMissing: there is no Java to run Maven with.
    """
    folder = cache_folder() / "kafka" / KAFKA_VERSION
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{KAFKA_VERSION}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _fetch(folder)
    return folder


def cache_folder() -> Path:
    """Return where downloads are kept: `$DOWNLOAD_CACHE`, else `.cache` in the checkout."""
    return Path(os.environ.get("DOWNLOAD_CACHE") or Path(__file__).parents[2] / ".cache")


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaJarsMissing(
            f"the tests need Apache Kafka {KAFKA_VERSION} from Maven, and `mvn` is not on PATH. "
            "Install it: `apt-get install maven` (Debian, Ubuntu) or `brew install maven` (macOS), then run this again."
        )
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetching-") as workplace:
        Path(workplace, "pom.xml").write_text(POM)
        command = [maven, "-B", COPY_GOAL, f"-DoutputDirectory={workplace}/jars", "-DincludeScope=runtime"]
        tail = _run_maven(command, Path(workplace))
        if tail:
            raise KafkaJarsMissing(f"Maven could not copy Apache Kafka {KAFKA_VERSION}. It ended with:\n{tail}")
        Path(workplace, "jars").rename(folder)


def _run_maven(command: list[str], workplace: Path) -> str:
    """Run Maven, showing how far it is; return nothing when it succeeded, else the end of its output."""
    environment = os.environ | {"JAVA_HOME": str(java_home())}
    last_lines: deque[str] = deque(maxlen=25)
    jars = 0
    print(f"Fetching Apache Kafka {KAFKA_VERSION} with Maven (once, about 45 MB) ...", file=sys.stderr, flush=True)
    with subprocess.Popen(
        command,
        cwd=workplace,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as maven:
        assert maven.stdout is not None
        for line in maven.stdout:
            last_lines.append(line)
            if re.search(r"Downloaded from .*\.jar\b", line):
                jars += 1
                if sys.stderr.isatty():
                    print(f"\r  {jars} jars", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty() and jars:
        print(file=sys.stderr)
    return "".join(last_lines) if maven.returncode else ""


def main() -> int:
    """Fetch the jars, say where they are; end with 3 and one clear line where that is not possible."""
    try:
        folder = kafka_jars()
    except (KafkaJarsMissing, JavaMissing) as error:
        print(f"error: {error}", file=sys.stderr)
        return 3
    print(f"Apache Kafka {KAFKA_VERSION}: {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
