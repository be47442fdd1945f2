"""What keeps the resident process small; for the sidecar, which lives beside every node."""

from __future__ import annotations

import ctypes
import sys
import warnings

_M_ARENA_MAX = -8  # of glibc's malloc.h


def spare_charset_tables() -> None:
    """Keep requests from loading the tables by which it guesses charsets: 4 MiB, a tenth of the process.

    Etcd's gateway answers UTF-8 JSON, so nothing is ever guessed, and requests works without a
    guesser (requests/compat.py). Call it before anything imports requests.
    """
    for module in ("chardet", "charset_normalizer"):
        sys.modules.setdefault(module, None)  # type: ignore[arg-type]  # None is how Python marks "not to be had"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Unable to find acceptable character detection")
        import requests  # noqa: F401, PLC0415 - loaded here, under the filter, for all who need it later


def share_one_heap() -> None:
    """Let all threads allocate from one heap; by default glibc gives each thread one of its own, and none gives back.

    Python's lock lets one thread allocate at a time, so nothing is lost by it (mallopt(3), M_ARENA_MAX).
    """
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_ARENA_MAX, 1)
    except (OSError, AttributeError):  # another libc has other heaps
        return
