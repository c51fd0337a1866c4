"""Random streams, one for each role in a workload.

A stream depends on the seed, the replication and its role alone, never on a policy or a price: two policies
see the same accesses, so that their differences are paired.
"""

import zlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Streams:
    """The random streams of one replication.

    Parameters
    ----------
    seed, replication : int
    """

    seed: int
    replication: int = 0

    def __getitem__(self, role: str) -> np.random.Generator:
        """Return the stream of `role`, from its beginning."""
        key = (self.replication, zlib.crc32(role.encode()))
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))
