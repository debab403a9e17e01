"""Workshops are kept from task to task, by each thread, and not for ever."""

from concurrent.futures import ThreadPoolExecutor

from occgen.config import BuildConfig
from occgen.workshop import open_workshop, work_order
from occluders import bundled


def test_a_thread_keeps_the_last_two_workshops_it_used() -> None:
    config = [BuildConfig(dataset="demo", out="none", seed=seed) for seed in range(3)]
    orders = [work_order(one, bundled(), (112, 96)) for one in config]
    first, second = map(open_workshop, orders[:2])
    assert open_workshop(orders[0]) is first
    third = open_workshop(orders[2])  # the second was used longest ago
    assert open_workshop(orders[0]) is first
    assert open_workshop(orders[2]) is third
    assert open_workshop(orders[1]) is not second


def test_threads_share_no_workshop() -> None:
    order = work_order(BuildConfig(dataset="demo", out="none"), bundled(), (112, 96))
    with ThreadPoolExecutor(1) as other:
        assert other.submit(open_workshop, order).result() is not open_workshop(order)
