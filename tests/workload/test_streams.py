"""Random streams come from seed, replication and role, and from nothing else."""

import numpy as np
import pytest

from cowmodel.workload.streams import Streams


def drawn(streams: Streams, role: str) -> list[int]:
    numbers: list[int] = streams[role].integers(1 << 40, size=8).tolist()
    return numbers


def test_a_role_has_the_same_stream_whenever_it_is_asked_for():
    streams = Streams(1)
    first = drawn(streams, "writer")

    drawn(streams, "reader")

    assert drawn(streams, "writer") == first == drawn(Streams(1), "writer")


@pytest.mark.parametrize(
    "other", [(Streams(2), "a"), (Streams(1, 1), "a"), (Streams(1), "b"), (Streams(0, 1), "a")]
)
def test_another_seed_replication_or_role_has_another_stream(other: tuple[Streams, str]):
    assert drawn(*other) != drawn(Streams(1), "a")


def test_streams_of_different_roles_are_not_correlated():
    streams = Streams(1)

    one, other = (streams[role].standard_normal(20_000) for role in ("worker 0", "worker 1"))

    assert abs(float(np.corrcoef(one, other)[0, 1])) < 4 / np.sqrt(20_000)


def test_the_streams_are_the_same_on_every_machine():
    assert drawn(Streams(1), "objects")[:3] == [722407947959, 706393786194, 306924121486]
