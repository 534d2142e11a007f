"""What a process that scores does once to itself, so that batches cost what their work costs."""

from __future__ import annotations

import atexit
import ctypes
import gc
from typing import Final

COLLECT_AFTER: Final = (200_000, 20, 50)  # more objects than a batch makes and drops: Python's own 700 stop each poll
KEPT_BYTES: Final = 64 * 1024**2  # at most so much freed memory is held back from the system
LARGEST_KEPT: Final = 32 * 1024**2  # larger pieces always go back; the C library takes no higher limit
_M_TRIM_THRESHOLD: Final = -1  # <malloc.h>
_M_MMAP_THRESHOLD: Final = -3


def settle_process() -> None:
    """Spare the garbage collector and keep freed memory; called when everything is loaded, before the first batch."""
    spare_the_collector()
    keep_freed_memory()


def spare_the_collector() -> None:
    """Let the garbage collector pass over what is loaded by now, and look less often at what comes.

    What it looks for, cycles, a batch does not make; the records of one poll alone would start it many times,
    each time over all modules and the model. A model that is replaced later goes by its reference count. At the end of
    the process the collector sees everything again: DuckDB's binding takes for a leak what it never gave back.
    """
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)
    gc.set_threshold(*COLLECT_AFTER)


def keep_freed_memory() -> bool:
    """Let the C library keep a batch's matrices for the next batch; return whether it does.

    By default glibc gives pieces of that size back to the system at once and takes new ones, which the kernel
    must fill with zeros page by page: a tenth of what scoring costs. Elsewhere than on glibc nothing is done.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, or another system
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES))
