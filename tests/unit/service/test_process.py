from __future__ import annotations

import gc
import platform
import subprocess
import sys

import pytest

from service.process import COLLECT_AFTER, keep_freed_memory, spare_the_collector


def test_process_leaves_what_is_loaded_to_nobody_and_looks_seldom() -> None:
    """The collector passes over modules and model, and does not start at every poll."""
    before = gc.get_threshold()
    try:
        spare_the_collector()
        assert (gc.get_threshold(), gc.get_freeze_count() > 10_000) == (COLLECT_AFTER, True)
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_process_that_has_used_the_query_engine_ends_without_a_word() -> None:
    """What the collector never looks at again is told as leaked by the engine's binding, on dozens of lines."""
    code = "import duckdb; from service.process import spare_the_collector; spare_the_collector()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
def test_process_keeps_freed_memory_where_the_c_library_can() -> None:
    """Both limits are taken: one that is too high would be refused in silence."""
    assert keep_freed_memory()
