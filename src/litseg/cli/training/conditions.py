"""What the exactness of a resume rests on besides the config: data, number of processes, machine, versions."""

import logging
import platform
from typing import TYPE_CHECKING, Any

from litseg.cli.data.facts import write_facts
from litseg.cli.errors import UserError
from litseg.cli.training.open_run import write_record

if TYPE_CHECKING:
    from litseg.cli.training.open_run import Run
    from litseg.cli.wiring.build import Parts

log = logging.getLogger(__name__)


def compare_conditions(run: "Run", parts: "Parts") -> None:
    """Puts them down in `status.json`; where a run is continued, compares them with those it was begun under.

    Raises:
        UserError: the data are others, or another number of processes would share them.
    """
    now, before = _conditions(parts), run.status.get("conditions")
    if before is not None and run.checkpoint is not None:
        _compare(run, now, before)
    run.status["conditions"] = now
    write_record(run)
    write_facts(run.folder, parts.data)


def _compare(run: "Run", now: dict[str, Any], before: dict[str, Any]) -> None:
    for key, what in (("data", "the data are others (their fingerprint differs)"), ("processes", "other processes")):
        if now[key] != before.get(key):
            raise UserError(
                f"resume: {what}: expected {key} {before.get(key)}, got {now[key]}; begin a new run, with "
                f"weights={run.folder} if it is to go on from these weights"
            )
    changed = [f"{key} {before.get(key)} -> {value}" for key, value in now.items() if before.get(key) != value]
    if changed:
        log.warning("resumed under other conditions, so not bit for bit the same: %s", ", ".join(changed))


def _conditions(parts: "Parts") -> dict[str, Any]:
    import torch  # here: a config that is not complete is refused without it

    device = parts.trainer.strategy.root_device
    return {
        "data": parts.data.fingerprint,
        "processes": parts.trainer.world_size,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or device.type,
        "precision": str(parts.trainer.precision),
        "channels_last": parts.hardware.channels_last,
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
    }
