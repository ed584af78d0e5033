import logging
from collections.abc import Iterator
from pathlib import Path
from shutil import which
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from litseg.cli.errors import CONF
from litseg.cli.wiring.build import build
from litseg.cli.wiring.checks import check_step
from litseg.cli.wiring.data import build_data, resolve_class_weights
from litseg.cli.wiring.model import build_loss, build_model
from litseg.cli.wiring.trainer import device_count
from litseg.data import DataModule
from litseg.data.augmenting.batch_mixing import MixUp
from litseg.data.frequencies import class_weights
from litseg.data.sets.shapes import Shapes
from litseg.losses import CompoundLoss, CrossEntropyLoss
from litseg.metrics import SegmentationMetrics
from litseg.models import SegmentationModel
from litseg.training import SegmentationModule, schedule

SMALL = ["data.size=32", "data.train=4", "data.val=2", "data.test=2", "loader.batch_size=2"]


@pytest.fixture
def _conf() -> Iterator[None]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def _weights_of(loss: Any) -> list[float]:
    return [round(value, 4) for value in loss.class_weights.tolist()]


@pytest.mark.usefixtures("_conf")
class TestClassWeights:
    def _resolved(self, *overrides: str) -> tuple[DictConfig, dict[str, Any], list[float]]:
        cfg = compose("train", overrides=[*SMALL, *overrides])
        data = build_data(cfg)
        expected = class_weights("median_frequency", data.scans["train"], data.source.task)
        return cfg, resolve_class_weights(cfg.loss, data), [round(value, 4) for value in expected]

    def test_one_method_reaches_every_term_of_a_compound(self) -> None:
        cfg, found, expected = self._resolved("loss=ce_dice", "loss.class_weights=median_frequency")
        loss = build_loss(cfg.loss)
        assert isinstance(loss, CompoundLoss)
        assert [_weights_of(term) for term in loss.losses.values()] == [expected, expected]
        assert found == {
            "loss.class_weights": {"method": "median_frequency", "values": pytest.approx(expected, abs=1e-4)}
        }

    def test_a_method_takes_parameters(self) -> None:
        mapping = "loss.class_weights={method:median_frequency,median_over:classes_and_void}"
        for choice in ("loss=ce_dice", "loss=weighted_ce", "loss=ce"):
            cfg, found, expected = self._resolved(choice, mapping)
            loss = build_loss(cfg.loss)
            found_values = found["loss.class_weights"].pop("values")
            assert found == {"loss.class_weights": {"method": "median_frequency", "median_over": "classes_and_void"}}
            assert found_values != pytest.approx(expected, abs=1e-3)
            for term in loss.losses.values() if isinstance(loss, CompoundLoss) else [loss]:
                assert _weights_of(term) == pytest.approx(found_values, abs=1e-4)

    @pytest.mark.parametrize(("task", "length"), [("binary", 2), ("multilabel", 5)])
    def test_every_task_gets_a_vector_of_its_length(self, task: str, length: int) -> None:
        cfg, _, expected = self._resolved("loss=weighted_ce", f"data.task={task}")
        assert _weights_of(build_loss(cfg.loss)) == expected
        assert len(expected) == length

    def test_a_term_keeps_its_own(self) -> None:
        own = "loss.terms.ce.1.class_weights=median_frequency"
        cfg, found, expected = self._resolved("loss=ce_dice", own, "loss.class_weights=[1,1,1,1,1,2]")
        loss = build_loss(cfg.loss)
        assert isinstance(loss, CompoundLoss)
        assert _weights_of(loss.losses["ce"]) == expected
        assert _weights_of(loss.losses["dice"]) == [1, 1, 1, 1, 1, 2]
        assert list(found) == ["loss.terms.ce.1.class_weights"]

    def test_a_list_is_taken_as_it_is(self) -> None:
        cfg, found, _ = self._resolved("loss=ce", "loss.class_weights=[1,2,3,4,5,6]")
        assert _weights_of(build_loss(cfg.loss)) == [1, 2, 3, 4, 5, 6]
        assert found == {}


@pytest.mark.usefixtures("_conf")
def test_the_network_is_sized_by_the_data() -> None:
    for task, channels in (("multiclass", 6), ("binary", 1), ("multilabel", 5)):
        source = Shapes(task=task, size=32, train=1, val=1, test=1)  # type: ignore[arg-type]
        model = build_model(compose("train").model, source)
        assert model.network.segmentation_head[0].out_channels == channels  # type: ignore[union-attr, index]
        assert model.mean.flatten().tolist() == pytest.approx(source.mean)


@pytest.mark.usefixtures("_conf")
def test_data_that_are_no_source_are_refused() -> None:
    cfg = compose("train", overrides=["data._target_=types.SimpleNamespace"])
    with pytest.raises(ValueError, match=r"expected a litseg\.data\.Source, got SimpleNamespace"):
        build_data(cfg)


def test_devices_are_counted() -> None:
    assert device_count(3, "cpu") == 3
    assert device_count("auto", "cpu") == 1
    for wrong in (0, "none", [0, 1]):
        with pytest.raises(ValueError, match=r"trainer\.devices"):
            device_count(wrong, "cpu")


def test_class_weights_need_no_other_key() -> None:
    """A loss of another library has no such key."""
    data: Any = SimpleNamespace(scans={})
    assert resolve_class_weights(DictConfig({"_target_": "torch.nn.CrossEntropyLoss"}), data) == {}


def _module(network: torch.nn.Module, loss: torch.nn.Module, source: Shapes) -> SegmentationModule:
    return SegmentationModule(
        SegmentationModel(network, [0.0], [1.0]),
        loss,
        SegmentationMetrics(source.class_names, source.task),
        source.task,
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        lambda optimizer, total_steps: schedule(optimizer, total_steps, "constant"),
    )


def test_network_and_loss_are_tried_on_one_image_before_training() -> None:
    source = Shapes(task="binary", size=32, train=2, val=1, test=1)
    data = DataModule(source, [], batch_size=1)
    good, bad = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1)), torch.nn.Sequential(torch.nn.Conv2d(3, 5, 1))
    check_step(_module(good, CrossEntropyLoss(mode="binary"), source), data)
    with pytest.raises(ValueError, match=r"the network gives \(1, 5, 32, 32\), expected logits \(1, 1, 32, 32\)"):
        check_step(_module(bad, CrossEntropyLoss(mode="binary"), source), data)
    with pytest.raises(ValueError, match=r"the loss CrossEntropyLoss fails on .* of the task binary: Target 1 is out"):
        check_step(_module(good, torch.nn.CrossEntropyLoss(ignore_index=255), source), data)


def test_a_plain_loss_under_mixup_is_told_why_it_fails() -> None:
    source = Shapes(size=32, train=2, val=1, test=1)
    data = DataModule(source, [], batch_size=2, mix=MixUp())
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 1))
    check_step(_module(network, CrossEntropyLoss(), source), data)
    with pytest.raises(ValueError, match=r"CrossEntropyLoss does not take the soft targets .*; choose one that does"):
        check_step(_module(network, torch.nn.CrossEntropyLoss(ignore_index=255), source), data)


STOPPING = "callbacks=[default,early_stopping]"


@pytest.mark.usefixtures("_conf")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["scheduler=plateau", "scheduler.monitor=val/mio"], r"scheduler\.monitor: expected one of val/miou"),
        (["scheduler=plateau", "scheduler.monitor=val/loss"], r"scheduler: .* set scheduler\.mode=min"),
        ([STOPPING, "callbacks.early_stopping.monitor=miou"], r"callbacks\.early_stopping\.monitor: expected one of"),
        (["callbacks=early_stopping"], r"expected litseg.training.Checkpoints.*callbacks=\[default,early_stopping\]"),
        (["optimizer=timm", "optimizer.opt=lamp"], "lamp"),
        (["scheduler=plateau", "scheduler.warmup_steps=-1"], r"scheduler\.warmup_steps"),
        (["scheduler=poly", "scheduler.warmup_steps=-1"], r"scheduler\.warmup_steps"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_recipes_that_cannot_work_are_refused_before_training(
    overrides: list[str], message: str, tmp_path: Path
) -> None:
    cfg = compose("train", overrides=[*SMALL, "trainer=cpu", "logger=csv", f"run_folder={tmp_path}", *overrides])
    with pytest.raises(ValueError, match=message):
        build(cfg, tmp_path)


@pytest.mark.usefixtures("_conf")
def test_the_log_says_the_effective_batch_size(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = ["trainer=cpu", "logger=csv", f"run_folder={tmp_path}", "trainer.accumulate_grad_batches=3"]
    with caplog.at_level(logging.INFO):
        build(compose("train", overrides=[*SMALL, *words]), tmp_path)
    expected = "effective batch size 6 = 2 x 1 devices x 3 accumulated batches, one optimizer step"
    assert expected in caplog.messages


@pytest.mark.usefixtures("_conf")
@pytest.mark.parametrize("choice", [STOPPING, "scheduler=plateau"])
def test_without_validation_nothing_is_monitored(choice: str, write_folder: Any, tmp_path: Path) -> None:
    words = ["data=folder", f"data.root={write_folder()}", "data.class_names=[background,object]", "data.val_share=0"]
    cfg = compose(
        "train",
        overrides=[*words, choice, "trainer=cpu", "logger=csv", f"run_folder={tmp_path}", "loader.batch_size=2"],
    )
    with pytest.raises(ValueError, match=r"monitor: val/miou needs a validation split"):
        build(cfg, tmp_path)


@pytest.mark.usefixtures("_conf")
@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml")))
def test_every_optimizer_takes_a_step_with_a_group_that_does_not_decay(name: str) -> None:
    parameters = [torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    make = instantiate(compose("train", overrides=[f"optimizer={name}"]).optimizer, _partial_=True)
    optimizer = make([{"params": parameters[:1]}, {"params": parameters[1:], "weight_decay": 0.0}])
    (parameters[0].sum() + parameters[1].sum()).backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert all(float(each.detach().max()) < 1 for each in parameters)
    assert optimizer.param_groups[1]["weight_decay"] == 0


@pytest.mark.usefixtures("_conf")
@pytest.mark.parametrize(
    ("model", "key"), [("deeplabv3plus", "decoder_aspp_dropout"), ("fpn", "decoder_dropout"), ("pspnet", "psp_dropout")]
)
def test_the_dropout_keys_reach_the_network(model: str, key: str) -> None:
    cfg = compose("train", overrides=[f"model={model}", f"+model.{key}=0.35"])
    network = build_model(cfg.model, Shapes(size=32, train=1, val=1, test=1)).network
    drops = [part.p for part in network.modules() if isinstance(part, torch.nn.Dropout | torch.nn.Dropout2d)]
    assert drops
    assert set(drops) == {0.35}


@pytest.mark.usefixtures("_conf")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # torch.compile's own
@pytest.mark.parametrize(
    "backend",
    [
        "aot_eager",
        pytest.param("inductor", marks=[pytest.mark.faults, pytest.mark.skipif(not which("c++"), reason="no c++")]),
    ],
)
def test_a_compiled_network_keeps_its_names_and_its_loss(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, compiled_with = torch.nn.Module.compile, []

    def compile_with(network: torch.nn.Module) -> None:
        compiled_with.append(backend)
        original(network, backend=backend)

    monkeypatch.setattr(torch.nn.Module, "compile", compile_with)
    words = ["trainer=cpu", "logger=csv", f"run_folder={tmp_path}"]
    losses, names = [], []
    for switch in ("false", "true"):
        torch.manual_seed(0)
        parts = build(compose("train", overrides=[*SMALL, *words, f"trainer.compile={switch}"]), tmp_path)
        images = torch.arange(2 * 3 * 32 * 32).view(2, 3, 32, 32) % 251
        batch = {"image": images.to(torch.uint8), "mask": torch.zeros(2, 32, 32, dtype=torch.uint8)}
        logits = parts.module(batch["image"])
        losses.append(float(parts.module.loss(logits, batch["mask"].long())))
        names.append(list(parts.module.state_dict()))
    assert compiled_with == [backend]
    assert names[0] == names[1]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
