"""What is under way too long is cut, by one thread however much that is."""

import threading
import time

import pytest

from watchdog.observe.deadlines import Deadlines

SOON, LONG = 0.05, 60.0


OTHERS = set()  # of tests before: theirs end when they would have been late


def watching():
    there = {one for one in threading.enumerate() if one.name == "deadlines"}
    return there - OTHERS


def nobody_watches():
    until = time.monotonic() + 60
    while watching() and time.monotonic() < until:
        time.sleep(0.01)
    return not watching()


def in_(seconds):
    return time.monotonic() + seconds


@pytest.fixture
def deadlines():
    OTHERS.update(threading.enumerate())
    made = Deadlines()
    yield made
    # It looks again no later than this would have been late.
    with made.at(in_(SOON), bool):
        pass
    assert nobody_watches()


def test_what_is_late_is_cut_and_what_is_not_goes_on(deadlines):
    late, later = threading.Event(), threading.Event()

    with deadlines.at(in_(LONG), later.set), deadlines.at(in_(SOON), late.set):
        assert late.wait(60)

        assert not later.is_set()


def test_what_is_over_is_not_cut_any_more(deadlines):
    cut = []

    for _ in range(20):
        with deadlines.at(in_(SOON), lambda: cut.append(1)):
            pass

    assert nobody_watches()
    assert cut == []


def test_one_thread_watches_all_and_ends_when_nothing_is_under_way(deadlines):
    for _ in range(2):
        with deadlines.at(in_(SOON), bool), deadlines.at(in_(LONG), bool):
            for _ in range(50):
                with deadlines.at(in_(LONG), bool):
                    assert len(watching()) == 1
        with deadlines.at(in_(SOON), bool):
            pass

        assert nobody_watches()


def test_one_that_cannot_be_cut_leaves_the_next_its_deadline(deadlines):
    late = threading.Event()
    threading.excepthook, kept = (lambda _: None), threading.excepthook

    try:
        with deadlines.at(in_(SOON), lambda: 1 / 0):
            assert nobody_watches()
    finally:
        threading.excepthook = kept

    with deadlines.at(in_(SOON), late.set):
        assert late.wait(60)
