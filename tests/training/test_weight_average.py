"""The moving average in a real training: what is validated, what checkpoints hold, and what is evaluated afterwards."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from litseg.losses import CompoundLoss, CrossEntropyLoss, DiceLoss
from litseg.losses.weight_schedule import Linear
from litseg.training import LossWeights, WeightAverage
from tests.training.fitting import small_data, trainer_for, unet_module

WEIGHT, MEAN = "model.network.encoder.conv1.weight", "model.network.encoder.bn1.running_mean"


class _Seen(Callback):
    """The weights after each step, and those of each validation."""

    def __init__(self) -> None:
        self.after: list[dict[str, Tensor]] = []
        self.validated: list[dict[str, Tensor]] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.after.append({name: value.clone() for name, value in pl_module.state_dict().items()})

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.validated.append({name: value.clone() for name, value in pl_module.state_dict().items()})


def _average_by_hand(states: list[dict[str, Tensor]], name: str, decay: float) -> Tensor:
    average = states[0][name].double()
    for n, state in enumerate(states[1:], start=1):
        d = min(decay, (1 + n) / (10 + n))
        average = d * average + (1 - d) * state[name].double()
    return average.float()


def _fit(folder: Path, **options: Any) -> tuple[Any, Any, _Seen, Path]:
    seen, module = _Seen(), unet_module()
    checkpoint = ModelCheckpoint(folder, "best", monitor="val/loss", save_on_train_epoch_end=False)
    trainer = trainer_for(
        folder, max_epochs=2, enable_checkpointing=True, callbacks=[WeightAverage(0.3), seen, checkpoint], **options
    )
    trainer.fit(module, datamodule=small_data())
    return trainer, module, seen, folder / "best.ckpt"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, _Seen, Path]:
    return _fit(tmp_path_factory.mktemp("average"))


def test_validation_runs_with_the_average_of_weights_and_statistics(fitted: Any) -> None:
    _, _, seen, _ = fitted
    assert (len(seen.after), len(seen.validated)) == (8, 4)
    for name in (WEIGHT, MEAN):
        for epoch in (0, 1):
            steps = seen.after[: 4 * (epoch + 1)]
            expected = _average_by_hand(steps, name, 0.3)
            torch.testing.assert_close(seen.validated[2 * epoch][name], expected)
            assert not torch.allclose(steps[-1][name], expected, rtol=1e-3)


def test_the_best_checkpoint_holds_what_was_validated_and_the_trained_weights_beside(fitted: Any) -> None:
    _, _, seen, path = fitted
    saved = torch.load(path, weights_only=False)
    epoch = saved["epoch"]
    for name in (WEIGHT, MEAN):
        assert torch.equal(saved["state_dict"][name], seen.validated[2 * epoch][name])
        assert torch.equal(saved["current_model_state"][name], seen.after[4 * epoch + 3][name])


def test_after_training_the_checkpoint_is_evaluated_and_not_the_last_average(fitted: Any) -> None:
    trainer, module, seen, path = fitted
    saved = torch.load(path, weights_only=False)
    best = saved["callbacks"][next(key for key in saved["callbacks"] if key.startswith("ModelCheckpoint"))]
    trainer.save_checkpoint(path.with_name("last.ckpt"))
    trainer.validate(module, datamodule=small_data(), ckpt_path=path, verbose=False, weights_only=False)
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(float(best["best_model_score"]), rel=1e-6)
    trainer.test(module, datamodule=small_data(), ckpt_path=path, verbose=False, weights_only=False)
    assert torch.equal(module.state_dict()[WEIGHT], saved["state_dict"][WEIGHT])
    last = torch.load(path.with_name("last.ckpt"), weights_only=False)
    assert torch.equal(last["current_model_state"][WEIGHT], seen.after[-1][WEIGHT])
    torch.testing.assert_close(last["state_dict"][WEIGHT], _average_by_hand(seen.after, WEIGHT, 0.3))


def test_constants_stay_exactly_as_they_are(fitted: Any) -> None:
    _, module, seen, _ = fitted
    assert torch.equal(seen.validated[-1]["model.mean"], module.model.mean)


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_outside_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=r"weight_average\.decay: expected a number from 0 to below 1"):
        WeightAverage(decay)


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty")
@pytest.mark.filterwarnings("ignore:The ..compute.. method of metric")  # best.ckpt lies between steps and epoch's end
def test_a_resumed_training_goes_on_with_both(fitted: Any, tmp_path: Path) -> None:
    _, _, seen, path = fitted
    saved = torch.load(path, weights_only=False)
    begun = _Seen()

    class _First(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            begun.on_train_batch_end(trainer, pl_module)

    average = WeightAverage(0.3)
    checkpoint = ModelCheckpoint(path.parent, "best", monitor="val/loss", save_on_train_epoch_end=False)
    callbacks = [average, _First(), checkpoint]
    trainer = trainer_for(tmp_path, max_epochs=saved["epoch"] + 2, enable_checkpointing=True, callbacks=callbacks)
    trainer.fit(unet_module(), datamodule=small_data(), ckpt_path=path, weights_only=False)
    assert torch.equal(begun.after[0][WEIGHT], seen.after[4 * saved["epoch"] + 3][WEIGHT])
    assert average._average_model is not None
    assert int(average._average_model.n_averaged) == 4 * (saved["epoch"] + 2)


def test_scheduled_loss_weights_are_copied_and_metrics_left_alone(tmp_path: Path) -> None:
    """4 steps an epoch: the weight of dice in step n of 8 is 2 n / 8, also in the validation that follows."""
    loss = CompoundLoss({"ce": (1.0, CrossEntropyLoss()), "dice": (Linear(0.0, 2.0), DiceLoss())})
    module, seen, average = unet_module(loss=loss), _Seen(), WeightAverage(0.9)
    assert all(name.startswith(("model.", "loss.")) for name, _ in module.named_buffers())  # no state of a metric
    trainer = trainer_for(tmp_path, max_epochs=2, callbacks=[LossWeights(), average, seen])
    trainer.fit(module, datamodule=small_data())
    weights = "loss.fixed_weights"
    assert [float(state[weights][1]) for state in seen.after] == [step / 4 for step in range(8)]
    assert [float(state[weights][1]) for state in seen.validated] == [0.75, 0.75, 1.75, 1.75]
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    saved = torch.load(tmp_path / "last.ckpt", weights_only=False)
    assert saved["state_dict"][weights].tolist() == saved["current_model_state"][weights].tolist() == [1.0, 1.75]
    assert not torch.equal(saved["state_dict"][WEIGHT], saved["current_model_state"][WEIGHT])
    values = trainer.callback_metrics
    expected = values["val/loss/ce"] + 1.75 * values["val/loss/dice"]
    assert float(values["val/loss"]) == pytest.approx(float(expected), rel=1e-5)
    plain = unet_module(loss=loss)
    trainer_for(tmp_path, max_epochs=2, callbacks=[LossWeights()]).fit(plain, datamodule=small_data())
    same = plain.trainer.callback_metrics  # the average does not change the training, so nor what it measures
    assert all(float(values[name]) == float(same[name]) for name in same if name.startswith("train/"))
