"""The limit of open files goes up, never down, whatever the system says."""

from __future__ import annotations

import resource

import pytest

from interceptor.platform.limits import MOST, raise_file_descriptor_limit


class Kernel:
    """Stands in for the two calls, with a limit of its own that may be less than the hard one."""

    def __init__(self, soft: int, hard: int, real_limit: int) -> None:
        self.limits, self.real_limit, self.asked = (soft, hard), real_limit, list[int]()

    def getrlimit(self, which: int) -> tuple[int, int]:
        assert which == resource.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        assert which == resource.RLIMIT_NOFILE
        self.asked.append(limits[0])
        if limits[0] > self.real_limit:
            raise ValueError("not allowed to raise maximum limit")
        self.limits = limits


def raised(monkeypatch: pytest.MonkeyPatch, kernel: Kernel) -> int:
    monkeypatch.setattr(resource, "getrlimit", kernel.getrlimit)
    monkeypatch.setattr(resource, "setrlimit", kernel.setrlimit)
    return raise_file_descriptor_limit()


def test_the_soft_limit_becomes_the_hard_one(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(1_024, 20_000, real_limit=20_000)
    assert raised(monkeypatch, kernel) == 20_000
    assert kernel.limits == (20_000, 20_000)


def test_a_limit_that_is_high_enough_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(20_000, 20_000, real_limit=20_000)
    assert raised(monkeypatch, kernel) == 20_000
    assert kernel.asked == []


def test_a_hard_limit_that_the_kernel_does_not_mean_is_approached(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(256, resource.RLIM_INFINITY, real_limit=10_240)
    assert raised(monkeypatch, kernel) == 10_240
    assert kernel.limits == (10_240, resource.RLIM_INFINITY)


def test_what_cannot_be_raised_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(256, 4_096, real_limit=100)
    assert raised(monkeypatch, kernel) == 256


def test_an_unlimited_process_is_not_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(resource.RLIM_INFINITY, resource.RLIM_INFINITY, real_limit=10)
    assert raised(monkeypatch, kernel) == MOST
    assert kernel.asked == []
