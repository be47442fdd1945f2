"""What a process has used."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

from bench.usage import cpu_seconds, resident_mib


def test_cpu_time_of_another_process_is_told_to_less_than_a_clock_tick() -> None:
    spin = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 0.2 <= cpu_seconds(process.pid) < 0.5
        assert resident_mib(process.pid) > 1
        process.communicate(b"\n")


def test_cpu_time_counts_threads_that_have_ended() -> None:
    def spin() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    before = cpu_seconds(os.getpid())
    thread = threading.Thread(target=spin)
    thread.start()
    thread.join()
    assert cpu_seconds(os.getpid()) - before >= 0.05
