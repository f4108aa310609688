import logging
import subprocess
import sys
import threading
from contextvars import ContextVar

from mssviz._worker import Worker
from mssviz.errors import ParameterError


def test_work_is_done_in_order_and_of_one_name_the_newest():
    worker, begun, go, done = Worker(), threading.Event(), threading.Event(), []

    def first():
        begun.set()
        go.wait(10)
        done.append("first")

    worker.do(first)
    assert begun.wait(10)
    worker.do(lambda: done.append("old"), "slider")
    worker.do(lambda: done.append("stroke"))
    assert worker.waits("slider")
    assert worker.waits("nothing", None)  # the stroke has no name
    assert not worker.waits("nothing")
    worker.do(lambda: done.append("new"), "slider")
    worker.do(lambda: done.append("another stroke"))
    go.set()
    worker.wait()
    assert done == ["first", "stroke", "new", "another stroke"]
    assert not worker.waits("slider")


def test_errors_do_not_end_the_work_and_unforeseen_ones_are_logged(caplog):
    worker, done = Worker(), []

    def fail(error):
        raise error

    with caplog.at_level(logging.ERROR):
        worker.do(lambda: fail(ParameterError("shown elsewhere")))
        worker.do(lambda: fail(ZeroDivisionError("a bug")))
        worker.do(lambda: done.append("after"))
        worker.wait()
    assert done == ["after"]
    assert [r.exc_info[0] for r in caplog.records] == [ZeroDivisionError]


def test_a_worker_that_has_nothing_left_starts_again():
    worker, done = Worker(), []
    for i in range(50):
        worker.do(lambda i=i: done.append(i))
        if i % 7 == 0:
            worker.wait()
    worker.wait()
    assert done == list(range(50))


def test_work_is_cancelled_where_it_checks_and_what_waits_is_done():
    worker, begun, done = Worker(), threading.Event(), []

    def endless():
        begun.set()
        while True:
            worker.check(0.01)

    worker.do(endless)
    worker.do(lambda: worker.check())
    worker.do(lambda: done.append("next"))
    assert begun.wait(10)
    worker.cancel()
    worker.wait()
    assert done == ["next"]
    worker.check()  # nobody is to stop now


def test_what_nobody_asked_for_is_spared_and_the_next_is_cancelled():
    worker, begun, go, done = Worker(), threading.Event(), threading.Event(), []

    def unasked():
        begun.set()
        go.wait(10)
        worker.check()
        done.append("unasked")

    def asked():
        worker.check()
        done.append("asked")

    worker.do(unasked, "warm up")
    worker.do(asked)
    assert begun.wait(10)
    worker.cancel(spared="warm up")
    go.set()
    worker.wait()
    assert done == ["unasked"]


def test_a_closed_worker_drops_what_waits_and_takes_no_more():
    worker, begun, done = Worker(), threading.Event(), []

    def endless():
        begun.set()
        worker.check(10)
        done.append("not cancelled")

    worker.do(endless)
    worker.do(lambda: done.append("waited"))
    assert begun.wait(10)
    worker.close()
    worker.do(lambda: done.append("late"))
    worker.wait()
    assert done == []


def test_work_has_the_context_of_who_asked_for_it():
    asker: ContextVar[str] = ContextVar("asker")
    worker, seen = Worker(), []
    for name in ("slider", "stroke"):
        asker.set(name)
        worker.do(lambda: seen.append(asker.get()))
    asker.set("later")
    worker.wait()
    assert seen == ["slider", "stroke"]


def test_work_can_close_its_own_worker():
    worker = Worker()
    worker.do(worker.close)
    worker.wait()


def test_work_that_ends_its_thread_ends_no_worker(caplog):
    worker, done = Worker(), []

    def leave():
        raise SystemExit

    worker.do(leave)
    worker.do(lambda: done.append(1))
    worker.wait()
    assert done == [1]
    assert "unforeseen error" in caplog.text


def test_what_fails_because_the_process_ends_is_no_error():
    code = """
import atexit, threading, time
from mssviz._worker import Worker

atexit.register(lambda: (ended.set(), worker.wait()))  # others take down what they have, then

def work():
    ended.wait(20)
    [].ndim

worker, ended = Worker(), threading.Event()
worker.do(work)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
