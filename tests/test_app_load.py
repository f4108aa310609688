"""Several explorers of one `mssviz app` at once, each in a kernel of its own."""

import threading
import time

import psutil
import pytest

import mssviz
from tests.app import App, Visitor
from tests.counts import NIGHTLY, count

MODEL = "spleeter:2stems" if NIGHTLY else "hpss"


def work(address, found):
    """Separate again and again for a while; what went wrong, and how often it was done."""
    visitor = Visitor(address)
    visitor.update(visitor.find(description="Model"), value=MODEL)
    began, times = time.monotonic(), 0
    while not times or time.monotonic() - began < count("seconds with every explorer"):
        visitor.separate()
        times += 1
    found.append((visitor.errors, times))
    visitor.leave()


@pytest.mark.slow
def test_explorers_at_once_work_and_end_with_the_server(tmp_path):
    song = tmp_path / "song.wav"
    mssviz.write_audio(song, mssviz.examples()["francium"].load()[0][: 3 * 44100], 44100)
    app, found = App(tmp_path, str(song)), []
    threads = [
        threading.Thread(target=work, args=(app.address, found))
        for _ in range(count("explorers of one server"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kernels = app.kernels()
    assert len(found) == len(threads)
    assert [errors for errors, _ in found] == [[]] * len(threads)
    assert all(times > 0 for _, times in found)
    app.stop()
    _, alive = psutil.wait_procs(kernels, timeout=30)
    assert alive == []
