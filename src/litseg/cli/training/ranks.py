"""Which of several processes this one is, and rank 0's word to the others.

Processes that Lightning starts inherit rank 0's environment. Those of torchrun and srun start beside it, before it has
chosen a run folder, and hear of it through the store over which they will soon meet to train.
"""

import json
import os
from datetime import timedelta
from typing import Any

KEY = "litseg/run"
_stores: list[Any] = []  # rank 0's ends with the process: the others may read it late, and Lightning goes on with it


def own_rank() -> int:
    """0 for the process that writes."""
    return next((int(os.environ[name]) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID") if name in os.environ), 0)


def started_side_by_side() -> bool:
    """Whether torchrun or srun has started this process and others that train with it."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["WORLD_SIZE"]) > 1
    if int(os.environ.get("SLURM_NTASKS") or 1) == 1:
        return False
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    return SLURMEnvironment.detect()  # False in an interactive shell, where Lightning starts the processes


def tell(word: dict[str, str]) -> None:
    """Gives rank 0's word to all others.

    Args:
        word: environment variables; empty where rank 0 has failed.
    """
    _store().set(KEY, json.dumps(word))


def hear() -> dict[str, str]:
    """Waits for it; empty where none comes because rank 0 has died."""
    try:
        word: dict[str, str] = json.loads(_store().get(KEY))
    except RuntimeError:  # what the store raises
        return {}
    return word


def _store() -> Any:
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # it is documented there

    environment = TorchElasticEnvironment() if TorchElasticEnvironment.detect() else SLURMEnvironment()
    hosts = environment.global_rank() == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    store = TCPStore(
        environment.main_address,
        environment.main_port,
        is_master=hosts,
        timeout=timedelta(minutes=10),
        wait_for_workers=False,
        multi_tenant=True,  # the process group will use the same port
    )
    _stores.append(store)
    return store
