"""Processes of their own: what they take, and what they say when they fail."""

import pytest

from cowmodel.speed import commands, large
from cowmodel.speed.running_kernel import CannotMeasure


def test_a_command_takes_cpu_time():
    assert 0 < commands.python_cpu_s("-c", "pass") < 10


def test_a_command_that_fails_is_told_with_its_last_line():
    with pytest.raises(CannotMeasure, match="ended with 1: ValueError: too late"):
        commands.python_cpu_s("-c", "raise ValueError('too late')")


def test_a_function_is_called_in_a_fresh_interpreter():
    cpu_s, bytes_per_page, peak_gib = commands.numbers(large.forked, 1 << 20, 3)

    assert cpu_s > 0
    assert bytes_per_page >= 0
    assert 0 < peak_gib < 1


def test_fork_and_copy_leave_the_heap_as_it_is():
    fork_s, copy_s = large.fork_and_copy(2 << 20)

    assert all(took > 0 for took in (fork_s(), copy_s(), fork_s(), copy_s()))
