import logging
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from litseg.training import callbacks
from litseg.training.callbacks import EpochLine, Throughput


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now


def test_throughput_counts_steps_after_the_first_of_an_epoch_without_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = _Clock()
    monkeypatch.setattr(callbacks, "time", clock)
    throughput = Throughput()
    trainer: Any = SimpleNamespace(world_size=2)
    module: Any = None
    for _ in range(2):
        throughput.on_train_epoch_start(trainer, module)
        for step in range(4):
            if step == 2:
                throughput.on_validation_start(trainer, module)
                clock.now += 100.0
            clock.now += 50.0 if step == 0 else 0.5
            throughput.on_train_batch_end(trainer, module, None, {"image": torch.zeros(8)}, step)
    # of the four steps of an epoch the first and the one after validation are left out
    assert throughput.images_per_second == pytest.approx(2 * 8 / 0.5)


def test_throughput_claims_nothing_after_one_step() -> None:
    throughput = Throughput()
    trainer: Any = SimpleNamespace(world_size=1)
    module: Any = None
    throughput.on_train_epoch_start(trainer, module)
    throughput.on_train_batch_end(trainer, module, None, {"image": torch.zeros(8)}, 0)
    assert throughput.images_per_second is None


def test_the_epoch_line_reads_the_values_on_every_rank_and_speaks_on_one(caplog: pytest.LogCaptureFixture) -> None:
    """Reading `callback_metrics` reduces over ranks: a rank that left before would keep the others waiting."""
    read: list[bool] = []

    class _Trainer:
        current_epoch, max_epochs = 2, 5
        optimizers = (SimpleNamespace(param_groups=[{"lr": 0.001}]),)

        def __init__(self, zero: bool) -> None:
            self.is_global_zero = zero

        @property
        def callback_metrics(self) -> dict[str, torch.Tensor]:
            read.append(self.is_global_zero)
            return {"train/loss": torch.tensor(0.5), "val/miou": torch.tensor(0.25)}

    with caplog.at_level(logging.INFO):
        for zero in (True, False):
            EpochLine().on_train_epoch_start(_Trainer(zero), None)  # type: ignore[arg-type]
    assert read == [True, False]
    assert [record.message for record in caplog.records] == ["epoch   2/5  loss 0.5000  val mIoU 0.2500  lr 1.00e-03"]
