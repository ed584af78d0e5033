from typing import Any

import lightning
import pytest
import torch
from torch import Tensor, nn

from litseg.data import DataModule
from litseg.data.sets.shapes import Shapes
from litseg.labels import Task
from litseg.losses import CompoundLoss, CrossEntropyLoss, DiceLoss
from litseg.metrics import SegmentationMetrics
from litseg.models import SegmentationModel
from litseg.training import SegmentationModule, schedule
from litseg.training.module import batch_target, loss_target, loss_terms


class _Pointwise(nn.Module):
    """A 1 x 1 convolution, and on request an auxiliary output at half the size."""

    def __init__(self, channels: int, auxiliary: bool = False) -> None:
        super().__init__()
        self.main = nn.Conv2d(3, channels, 1)
        self.auxiliary = nn.Conv2d(3, channels, 1, stride=2) if auxiliary else None

    def forward(self, images: Tensor) -> Any:
        outputs = [self.main(images)]
        if self.auxiliary is not None:
            outputs.append(self.auxiliary(images))
        return outputs if self.training and self.auxiliary is not None else outputs[0]


def _module(task: Task = "multiclass", auxiliary: bool = False, loss: nn.Module | None = None) -> SegmentationModule:
    names = {"multiclass": 6, "binary": 2, "multilabel": 5}[task]
    model = SegmentationModel(_Pointwise(1 if task == "binary" else names, auxiliary), [127.5], [60.0])
    return SegmentationModule(
        model=model,
        loss=loss or CrossEntropyLoss(mode=task),
        metrics=SegmentationMetrics([f"class{index}" for index in range(names)], task),
        task=task,
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        scheduler=lambda optimizer, total_steps: schedule(optimizer, total_steps, "poly"),
    )


def _fit(module: SegmentationModule, tmp_path: Any, **options: Any) -> lightning.Trainer:
    data = DataModule(Shapes(task=module.task, size=32, train=8, val=3, test=2), [], batch_size=4, workers=0)
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=tmp_path, num_sanity_val_steps=0, use_distributed_sampler=False,
        **options,
    )  # fmt: skip
    trainer.fit(module, datamodule=data)
    return trainer


class TestFit:
    @pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel"])
    def test_every_task_trains_and_reports_its_metrics(self, task: Task, tmp_path: Any) -> None:
        trainer = _fit(_module(task), tmp_path)
        values = trainer.callback_metrics
        assert trainer.global_step == 2
        assert {"train/loss", "val/loss", "train/miou", "val/miou", "val/iou/class0"} <= set(values)
        assert 0 < values["val/loss"] < 5

    def test_the_epoch_loss_is_weighted_by_samples_and_the_metric_by_pixels(self, tmp_path: Any) -> None:
        """Three validation samples in batches of 2 and 1: a mean of batch means would be off."""
        module = _module()
        data = DataModule(Shapes(size=32, train=4, val=3, test=1), [], batch_size=2, workers=0)
        trainer = lightning.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path,
            use_distributed_sampler=False, enable_checkpointing=False,
        )  # fmt: skip
        (found,) = trainer.validate(module, datamodule=data, verbose=False)
        batches = list(data.val_dataloader())
        module.eval()
        with torch.no_grad():
            losses = [module.loss(module(batch["image"]), batch["mask"].long()) for batch in batches]
            metrics = SegmentationMetrics(data.source.class_names, "multiclass")
            for batch in batches:
                metrics.update(module(batch["image"]), batch["mask"])
        assert found["val/loss"] == pytest.approx(float(2 * losses[0] + losses[1]) / 3, rel=1e-6)
        assert found["val/miou"] == pytest.approx(float(metrics.compute()["miou"]), rel=1e-6)

    def test_terms_of_a_compound_are_logged_by_name(self, tmp_path: Any) -> None:
        loss = CompoundLoss({"ce": (1.0, CrossEntropyLoss()), "dice": (0.5, DiceLoss())})
        values = _fit(_module(loss=loss), tmp_path).callback_metrics
        for stage in ("train", "val"):
            total = values[f"{stage}/loss/ce"] + 0.5 * values[f"{stage}/loss/dice"]
            assert values[f"{stage}/loss"] == pytest.approx(float(total), rel=1e-5)

    def test_an_auxiliary_output_reaches_the_loss_in_training_only(self, tmp_path: Any) -> None:
        module = _module(auxiliary=True)
        network = module.model.network
        before = network.auxiliary.weight.clone()
        values = _fit(module, tmp_path).callback_metrics
        assert not torch.equal(network.auxiliary.weight, before)
        assert "train/loss/auxiliary" in values
        assert "val/loss/auxiliary" not in values


def test_the_auxiliary_loss_enters_with_its_weight() -> None:
    module = _module(auxiliary=True)
    batch = {"image": torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8), "mask": torch.randint(0, 6, (2, 8, 8))}
    main, auxiliary = module.train()(batch["image"])
    module.log = lambda *_args, **_kwargs: None  # type: ignore[method-assign]  # there is no trainer to log to
    expected = module.loss(main, batch["mask"]) + 0.4 * module.loss(auxiliary, batch["mask"])
    assert float(module.training_step(batch, 0).detach()) == pytest.approx(float(expected.detach()), rel=1e-6)


def test_multilabel_targets_carry_void_as_weights() -> None:
    mask = torch.tensor([[[[0, 1, 255]], [[255, 0, 1]]]], dtype=torch.uint8)
    target, weights = loss_target(mask, "multilabel")
    assert target.tolist() == [[[[0, 1, 0]], [[0, 0, 1]]]]
    assert weights is not None
    assert weights.tolist() == [[[[1, 1, 0]], [[0, 1, 1]]]]


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel"])
def test_blended_samples_have_soft_targets_and_void_in_either_is_void(task: Task) -> None:
    """Cross-entropy is linear in the target: the loss of a blend is the blend of the losses where both are valid."""
    generator = torch.Generator().manual_seed(0)
    shape, labels = ((2, 3, 8, 8), 2) if task == "multilabel" else ((2, 8, 8), {"multiclass": 4, "binary": 2}[task])
    mask, other = (torch.randint(0, labels, shape, generator=generator, dtype=torch.uint8) for _ in range(2))
    mask[..., 0, :], other[..., :, 0] = 255, 255
    share = torch.tensor([0.75, 0.6])
    logits = torch.randn(2, {"multiclass": 4, "binary": 1, "multilabel": 3}[task], 8, 8, generator=generator)
    batch = {"mask": mask, "other_mask": other, "share": share}
    target, weights = batch_target(batch, task, logits.shape[1])
    assert target.shape == logits.shape
    assert weights is not None
    assert weights.shape == mask.shape
    assert float(weights.sum()) == mask.numel() * 49 / 64
    loss = CrossEntropyLoss(mode=task)
    for number in range(2):
        both = [each[number : number + 1].clone() for each in (mask, other)]
        for each in both:
            each[(both[0] == 255) | (both[1] == 255)] = 255
        hard = [float(loss_terms(loss, logits[number : number + 1], *loss_target(each, task))["loss"]) for each in both]
        one = slice(number, number + 1)
        found = float(loss_terms(loss, logits[one], target[one], weights[one])["loss"])
        assert found == pytest.approx(float(share[number]) * hard[0] + float(1 - share[number]) * hard[1], rel=1e-5)


def test_a_batch_that_is_not_blended_keeps_its_integer_target() -> None:
    mask = torch.tensor([[[0, 1, 255]]], dtype=torch.uint8)
    target, weights = batch_target({"mask": mask}, "multiclass", 2)
    assert (target.tolist(), target.dtype, weights) == ([[[0, 1, 255]]], torch.int64, None)


def test_a_library_loss_is_called_with_logits_and_target() -> None:
    logits, target = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    terms = loss_terms(nn.CrossEntropyLoss(ignore_index=255), logits, target, None)
    assert list(terms) == ["loss"]
    assert float(terms["loss"]) == pytest.approx(float(nn.functional.cross_entropy(logits, target)))


def test_channels_last_reaches_weights_and_activations() -> None:
    model = SegmentationModel(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)), [0.0], [1.0])
    module = _module()
    module = SegmentationModule(
        model, CrossEntropyLoss(), SegmentationMetrics(list("abcd"), "multiclass"), "multiclass",
        module.make_optimizer, module.make_scheduler, channels_last=True,
    )  # fmt: skip
    assert module(torch.zeros(2, 3, 8, 8, dtype=torch.uint8)).is_contiguous(memory_format=torch.channels_last)
