"""Several explorers at once, each in a kernel of its own, as a server gives them to visitors."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from jupyter_client.manager import start_new_kernel

from tests.counts import NIGHTLY, count
from tests.test_explorer_life import SIZES, measures_memory, run_cell

pytestmark = pytest.mark.slow

WORK = """
import time, mssviz
explorer = mssviz.explore(model={model!r}, duration=2)
began, sizes_seen = time.monotonic(), []
while len(sizes_seen) < 2 or time.monotonic() - began < {seconds}:
    explorer.separate()
    explorer.wait()
    explorer.controls.hardness.value = 0.5 * (len(sizes_seen) % 3)
    explorer.wait()
    sizes_seen.append(sizes()[0])
explorer.close()
print(len(sizes_seen), max(sizes_seen[:2]), max(sizes_seen[-2:]))
"""


def worked(kernel):
    """(runs, MiB after the first two, MiB after the last two) of an explorer in a kernel."""
    run_cell(kernel, SIZES, "a")
    model = "spleeter:2stems" if NIGHTLY else "hpss"
    seconds = count("seconds with every explorer")
    code = WORK.format(model=model, seconds=seconds)
    return tuple(map(int, run_cell(kernel, code, "b", timeout=seconds + 300).split()))


@pytest.fixture
def kernels():
    n_kernels = count("explorers at once")
    started = [start_new_kernel(kernel_name="python3") for _ in range(n_kernels)]
    yield [client for _, client in started]
    for manager, client in started:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@measures_memory
def test_explorers_at_once_work_and_do_not_grow(kernels):
    with ThreadPoolExecutor(len(kernels)) as people:
        found = list(people.map(worked, kernels))
    for runs, first, last in found:
        assert runs >= 2
        assert last - first < 100, found
