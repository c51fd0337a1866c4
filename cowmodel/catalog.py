"""Every name that a configuration may use. A plug-in is one class elsewhere and one line here."""

from pathlib import Path

from cowmodel.cost.preset import PRESETS, presets_in
from cowmodel.engine.compiled import CompiledEngine
from cowmodel.engine.reference import ReferenceEngine
from cowmodel.hardware.paging import PAGINGS
from cowmodel.kernel.choices import CopyPolicy
from cowmodel.kernel.commitment import Overcommit
from cowmodel.machine import EngineMaker
from cowmodel.policy.copying import CopyOnWrite, EagerCopy, EagerFlip, LastSharerFlip
from cowmodel.policy.eras import ERAS
from cowmodel.workload.concurrent_forks import ConcurrentForks
from cowmodel.workload.enactment import Enactment
from cowmodel.workload.fork_exec import ForkExec
from cowmodel.workload.fork_tree import ForkTree
from cowmodel.workload.locality import LOCALITIES
from cowmodel.workload.prefork_server import PreforkServer
from cowmodel.workload.replay import Replay
from cowmodel.workload.request_server import RequestServer
from cowmodel.workload.snapshot_server import SnapshotServer
from cowmodel.workload.workload import Workload

__all__ = ["COSTS", "ENGINES", "ERAS", "LOCALITIES", "OVERCOMMIT", "PAGINGS", "POLICIES", "WORKLOADS"]

POLICIES: dict[str, type[CopyPolicy]] = {
    "eager": EagerCopy,
    "cow": CopyOnWrite,
    "cow-flip": LastSharerFlip,
    "cow-eager-flip": EagerFlip,
}

WORKLOADS: dict[str, type[Workload]] = {
    "snapshot-server": SnapshotServer,
    "request-server": RequestServer,
    "prefork-server": PreforkServer,
    "fork-tree": ForkTree,
    "fork-exec": ForkExec,
    "concurrent-forks": ConcurrentForks,
    "trace": Replay,
    "scenario": Enactment,
}

OVERCOMMIT: dict[str, Overcommit] = {rule.value: rule for rule in Overcommit}

ENGINES: dict[str, EngineMaker] = {"reference": ReferenceEngine, "compiled": CompiledEngine}

COSTS: dict[str, Path] = presets_in(PRESETS)
