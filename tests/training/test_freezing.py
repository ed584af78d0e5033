"""Frozen parts of a real network in a real training."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn

from litseg.models import SegmentationModel
from litseg.training import FrozenBatchNorm, FrozenEncoder
from tests.training.fitting import small_data, trainer_for, unet_module

WEIGHT, NORM, MEAN = "conv1.weight", "bn1.weight", "bn1.running_mean"


class _Encoders(Callback):
    """The encoder's state before training and after each epoch, and which gradients it had in the steps."""

    def __init__(self) -> None:
        self.states: list[dict[str, Tensor]] = []
        self.decoders: list[Tensor] = []
        self.gradients: list[int] = []

    def _remember(self, module: Any) -> None:
        network = module.model.network
        self.states.append({name: value.clone() for name, value in network.encoder.state_dict().items()})
        self.decoders.append(next(network.decoder.parameters()).detach().clone())

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        self._remember(pl_module)

    def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
        encoder = pl_module.model.network.encoder
        self.gradients.append(sum(each.grad is not None for each in encoder.parameters()))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self._remember(pl_module)


def _fit(folder: Path, *callbacks: Callback, epochs: int = 2) -> _Encoders:
    seen = _Encoders()
    trainer = trainer_for(folder, max_epochs=epochs, callbacks=[*callbacks, seen])
    trainer.fit(unet_module(), datamodule=small_data())
    return seen


def test_the_encoder_waits_an_epoch_and_then_trains(tmp_path: Path) -> None:
    seen = _fit(tmp_path, FrozenEncoder(epochs=1))
    before, first, second = seen.states
    assert all(torch.equal(before[name], first[name]) for name in before)  # weights, statistics and counts
    assert all(not torch.equal(first[name], second[name]) for name in (WEIGHT, NORM, MEAN))
    assert not torch.equal(seen.decoders[0], seen.decoders[1])
    assert seen.gradients[:4] == [0, 0, 0, 0]
    assert min(seen.gradients[4:]) > 50


def test_the_encoder_waits_for_a_number_of_steps_also_within_an_epoch(tmp_path: Path) -> None:
    """4 steps an epoch; what is frozen is that of the first 6, counted in optimizer steps."""
    seen = _fit(tmp_path, FrozenEncoder(steps=6))
    assert [count > 50 for count in seen.gradients] == [False] * 6 + [True] * 2
    before, first, second = seen.states
    assert all(torch.equal(before[name], first[name]) for name in before)
    assert all(not torch.equal(first[name], second[name]) for name in (WEIGHT, NORM, MEAN))
    assert int(second["bn1.num_batches_tracked"]) == 2


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`, callbacks")
@pytest.mark.parametrize("frozen", [{"epochs": 2}, {"steps": 3}], ids=str)
def test_a_run_resumed_while_the_encoder_is_frozen_ends_alike(frozen: dict[str, int], tmp_path: Path) -> None:
    """2 steps an epoch, saved after the first epoch of 3: frozen parameters have no momentum in that checkpoint."""

    def trained(*callbacks: Callback, **options: Any) -> dict[str, Tensor]:
        module = unet_module()
        every = [FrozenEncoder(**frozen), *callbacks]
        trainer = trainer_for(tmp_path, max_epochs=3, callbacks=every, enable_checkpointing=bool(callbacks))
        trainer.fit(module, datamodule=small_data(train=4), **options)
        assert all(each.requires_grad for each in module.model.network.encoder.parameters())
        return module.state_dict()

    whole = trained(ModelCheckpoint(tmp_path, "end{epoch}", save_top_k=-1, auto_insert_metric_name=False))
    saved = torch.load(tmp_path / "end0.ckpt", weights_only=True)
    assert torch.equal(saved["state_dict"][f"model.network.encoder.{WEIGHT}"], _first_weight())
    resumed = trained(ckpt_path=tmp_path / "end0.ckpt")
    assert not torch.equal(whole[f"model.network.encoder.{WEIGHT}"], _first_weight())
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def _first_weight() -> Tensor:
    weight: Tensor = unet_module().state_dict()[f"model.network.encoder.{WEIGHT}"]
    return weight


def test_frozen_batch_norm_keeps_everything_while_the_rest_trains(tmp_path: Path) -> None:
    seen = _fit(tmp_path, FrozenBatchNorm())
    before, after = seen.states[0], seen.states[-1]
    norms = [name for name in before if "bn" in name or "downsample.1" in name]
    assert len(norms) == 100  # 20 layers of ResNet-18: weight, bias, mean, variance, count
    assert all(torch.equal(before[name], after[name]) for name in norms)
    assert not torch.equal(before[WEIGHT], after[WEIGHT])


def test_both_together_leave_batch_norm_frozen_when_the_encoder_is_released(tmp_path: Path) -> None:
    for order in ((FrozenEncoder(1), FrozenBatchNorm()), (FrozenBatchNorm(), FrozenEncoder(steps=4))):
        seen = _fit(tmp_path, *order)
        assert all(torch.equal(seen.states[0][name], seen.states[2][name]) for name in (NORM, MEAN))
        assert not torch.equal(seen.states[1][WEIGHT], seen.states[2][WEIGHT])


def test_what_cannot_be_frozen_is_refused() -> None:
    trainer: Any = SimpleNamespace(world_size=2, strategy=SimpleNamespace(_ddp_kwargs={}))
    module: Any = unet_module()
    with pytest.raises(ValueError, match=r"trainer\.strategy=ddp_find_unused_parameters_true"):
        FrozenEncoder().setup(trainer, module, "fit")
    module.model = SegmentationModel(nn.Sequential(nn.Conv2d(3, 6, 1)), [0.0], [1.0])
    with pytest.raises(ValueError, match="has no attribute `encoder`"):
        FrozenEncoder().setup(trainer, module, "fit")
    with pytest.raises(ValueError, match=r"epochs: expected at least 1, got 0"):
        FrozenEncoder(0)
    with pytest.raises(ValueError, match=r"steps: expected at least 1, got 0"):
        FrozenEncoder(steps=0)
