"""A run folder from a stranger: nothing that its config names is called, written or fetched before it was allowed."""

import contextlib
import copy
import json
import os
import pickle
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from litseg.cli import saved_config
from litseg.cli.errors import CONF
from litseg.cli.saved_config import read_config

GROUPS = ("model", "loss", "data", "augmentation", "sampling", "copy_paste", "mixing", "optimizer", "scheduler",
          "trainer", "callbacks", "logger", "experiment")  # fmt: skip
OPTIONS = [
    (group, str(path.relative_to(CONF / group).with_suffix("")))
    for group in GROUPS
    for path in sorted((CONF / group).rglob("*.yaml"))
]
REQUIRED = {("data", name): ["data.root=x", "data.class_names=[background,object]"] for name in ("csv", "folder")}

# what -> the node that Hydra would call; TRAP is a folder with code and pickles that make MARKER, as a call would
HOSTILE: dict[str, dict[str, Any]] = {
    "os.system": {"_target_": "os.system", "command": "touch MARKER"},
    "subprocess.run": {"_target_": "subprocess.run", "args": ["touch", "MARKER"]},
    "subprocess.Popen": {"_target_": "subprocess.Popen", "args": ["touch", "MARKER"]},
    "builtins.eval": {"_target_": "builtins.eval", "_args_": ["open('MARKER', 'w')"]},
    "builtins.exec": {"_target_": "builtins.exec", "_args_": ["open('MARKER', 'w')"]},
    "builtins.open": {"_target_": "builtins.open", "file": "MARKER", "mode": "w"},
    "runpy.run_path": {"_target_": "runpy.run_path", "path_name": "TRAP/hubconf.py"},
    "importlib.import_module": {"_target_": "importlib.import_module", "name": "hubconf"},
    "a module in the folder": {"_target_": "hubconf.Loss"},
    "torch.hub.load": {"_target_": "torch.hub.load", "repo_or_dir": "TRAP", "model": "Loss", "source": "local"},
    "torch.load": {"_target_": "torch.load", "f": "TRAP/evil.pkl", "weights_only": False},
    "torch.jit.load": {"_target_": "torch.jit.load", "f": "TRAP/evil.pkl"},
    "numpy.load": {"_target_": "numpy.load", "file": "TRAP/evil.npy", "allow_pickle": True},
    "numpy.save": {"_target_": "numpy.save", "file": "MARKER", "arr": 0},
    "pip.main": {"_target_": "pip.main", "args": ["--log", "MARKER", "list"]},
    "torch load_inline": {"_target_": "torch.utils.cpp_extension.load_inline", "name": "x", "cpp_sources": "int x;"},
    "alias logging.os": {"_target_": "logging.os.system", "command": "touch MARKER"},
    "alias albumentations": {"_target_": "albumentations.check_version.os.system", "command": "touch MARKER"},
    "alias torch.nn": {"_target_": "torch.nn.modules.module.warnings.sys.modules.clear"},
    "alias torch.optim": {"_target_": "torch.optim.optimizer.torch.load", "f": "TRAP/evil.pkl", "weights_only": False},
    "alias callbacks": {
        "_target_": "lightning.pytorch.callbacks.model_checkpoint.os.system",
        "command": "touch MARKER",
    },
    "alias loggers": {"_target_": "lightning.pytorch.loggers.wandb.os.system", "command": "touch MARKER"},
    "alias litseg os": {"_target_": "litseg.data.machine.os.system", "command": "touch MARKER"},
    "alias litseg shutil": {"_target_": "litseg.data.machine.shutil.rmtree", "path": "TRAP"},
    "alias litseg tempfile": {"_target_": "litseg.data.machine.tempfile.mkdtemp", "dir": "TRAP"},
    "alias litseg module": {
        "_target_": "litseg.losses.boundary.torch.load",
        "f": "TRAP/evil.pkl",
        "weights_only": False,
    },
    "alias litseg class": {
        "_target_": "litseg.training.callbacks.lightning.pytorch.callbacks.LambdaCallback",
        "setup": {"_target_": "os.system", "_partial_": True},
    },
    "alias of an allowed kind": {"_target_": "litseg.losses.boundary.torch.nn.Sequential"},
    "dunder": {"_target_": "litseg.losses.DiceLoss.__init__.__globals__.clear"},
    "metaclass": {"_target_": "litseg.losses.DiceLoss.__class__", "_args_": ["X", [], {}]},
    "hydra.utils.call": {"_target_": "hydra.utils.call", "config": {"_target_": "os.system", "command": "x"}},
    "hydra.utils.get_method": {"_target_": "hydra.utils.get_method", "path": "os.system"},
    "hydra.utils.get_object": {"_target_": "hydra.utils.get_object", "path": "hubconf.Loss"},
    "functools.partial": {"_target_": "functools.partial", "_args_": ["os.system", "touch MARKER"]},
    "litseg writes": {"_target_": "litseg.data.machine.write_folder", "folder": "MARKER", "write": None},
    "litseg extracts": {"_target_": "litseg.data.fetching.extract.extract", "archive": "TRAP/x.zip", "to": "TRAP"},
    "litseg records": {"_target_": "litseg.results.write_status", "folder": "TRAP", "state": "x", "code": 0},
    "litseg command": {"_target_": "litseg.cli.train.main"},
    "litseg launcher": {"_target_": "litseg.jobs.local.LocalLauncher", "preload": ["hubconf"]},
    "litseg DataModule": {"_target_": "litseg.data.DataModule"},
    "albumentations.Lambda": {"_target_": "albumentations.Lambda", "image": {"_target_": "os.system"}},
    "albumentations.from_dict": {"_target_": "albumentations.from_dict", "transform_dict": {}},
    "albumentations.load": {"_target_": "albumentations.load", "filepath_or_buffer": "TRAP/x"},
    "albumentations.save": {"_target_": "albumentations.save", "filepath_or_buffer": "MARKER", "transform": None},
    "Compose.from_pretrained": {"_target_": "albumentations.Compose.from_pretrained", "_args_": ["someone/evil"]},
    "smp.from_pretrained": {"_target_": "segmentation_models_pytorch.from_pretrained", "_args_": ["someone/evil"]},
    "Unet.from_pretrained": {"_target_": "segmentation_models_pytorch.Unet.from_pretrained", "_args_": ["x/evil"]},
    "load_state_dict": {"_target_": "torch.nn.CrossEntropyLoss.load_state_dict", "state_dict": {}},
    "torch.nn.Module.to": {"_target_": "torch.nn.Module.share_memory"},
    "load_from_checkpoint": {
        "_target_": "litseg.training.SegmentationModule.load_from_checkpoint",
        "checkpoint_path": "TRAP/evil.pkl",
    },
    "LambdaCallback": {
        "_target_": "lightning.pytorch.callbacks.LambdaCallback",
        "on_fit_start": {"_target_": "os.system", "_partial_": True},
    },
    "ModelCheckpoint, which deletes": {"_target_": "lightning.pytorch.callbacks.ModelCheckpoint"},
    "lightning.pytorch.Trainer": {"_target_": "lightning.pytorch.Trainer"},
    "CometLogger": {"_target_": "lightning.pytorch.loggers.CometLogger", "api_key": "x"},
    "WandbLogger": {"_target_": "lightning.pytorch.loggers.WandbLogger", "offline": True},
    "urlretrieve": {"_target_": "urllib.request.urlretrieve", "url": "file:///etc/hostname", "filename": "MARKER"},
    "shutil.rmtree": {"_target_": "shutil.rmtree", "path": "TRAP"},
    "relative": {"_target_": ".os.system"},
    "empty": {"_target_": ""},
    "a list": {"_target_": ["os", "system"]},
    "nothing": {"_target_": None},
    "_args_": {"_target_": "litseg.losses.DiceLoss", "_args_": [1]},
    "_recursive_": {"_target_": "litseg.losses.DiceLoss", "_recursive_": False},
    "_partial_ of a text": {"_target_": "litseg.losses.DiceLoss", "_partial_": "yes"},
    "a key of Hydra's own without target": {"_args_": ["os.system"]},
}
LIVE = ("a module in the folder", "torch.hub.load", "torch.load", "numpy.load", "pip.main", "numpy.save",
        "alias torch.optim", "alias litseg module", "alias litseg tempfile")  # fmt: skip
"""Those that Hydra 1.3.8 itself lets pass: they are run, to see that the traps would spring."""
PLACES: dict[str, Callable[[dict[str, Any], dict[str, Any]], object]] = {
    "in place of the loss": lambda config, node: config.update(loss=node),
    "inside the list of transforms": lambda config, node: config["augmentation"]["train"].insert(1, node),
    "deep inside a list": lambda config, node: config["loss"].update(weights=[[1, {"x": [node]}]]),
    "beside the callbacks": lambda config, node: config["callbacks"].update(mine=node),
    "below a key that nobody reads": lambda config, node: config.update(note={"text": node}),
}


class _Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose code and pickles make `marker` beside it, and whose code can be imported."""
    folder, marker = tmp_path / "trap", tmp_path / "marker"
    folder.mkdir()
    (folder / "hubconf.py").write_text(f"import os\nos.mkdir({str(marker)!r})\nclass Loss: ...\n")
    (folder / "evil.pkl").write_bytes(pickle.dumps(_Touch(marker)))
    np.save(folder / "evil.npy", np.array([_Touch(marker)], dtype=object), allow_pickle=True)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "hubconf", raising=False)
    return folder


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    return _written("x", "logger=csv")


def _written(folder: object, *overrides: str) -> dict[str, Any]:
    """A config as train.py writes it: composed, with its run folder, resolved."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = compose("train", overrides=[*overrides, f"run_folder={folder}"])
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
    return resolved  # type: ignore[no-any-return]


def _write(folder: Path, config: Any) -> Path:
    folder.mkdir(exist_ok=True)
    text = config if isinstance(config, str) else OmegaConf.to_yaml(OmegaConf.create(config))
    (folder / "config.yaml").write_text(text)
    return folder


def _armed(name: str, trap: Path) -> Any:
    """The node with its marker and its trap in place."""
    text = json.dumps(HOSTILE[name]).replace("MARKER", str(trap.parent / "marker")).replace("TRAP", str(trap))
    return json.loads(text)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_target_is_refused_and_nothing_is_called(
    name: str, trap: Path, composed: dict[str, Any], tmp_path: Path
) -> None:
    folder = _write(tmp_path / "run", {**composed, "loss": _armed(name, trap)})
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=r"config\.yaml: loss\._\w+_: ") as refused:
        read_config(folder)
    target = HOSTILE[name].get("_target_")
    if isinstance(target, str) and not target.startswith("litseg.losses.DiceLoss"):
        assert repr(target) in str(refused.value)
        assert "trust=[" in str(refused.value)
    assert sorted(path for path in tmp_path.rglob("*")) == before
    assert "hubconf" not in sys.modules


@pytest.mark.parametrize("name", LIVE)
def test_the_traps_would_spring(name: str, trap: Path, tmp_path: Path) -> None:
    before = sorted(path for path in tmp_path.rglob("*"))
    with contextlib.suppress(Exception):
        instantiate(_armed(name, trap))
    assert sorted(path for path in tmp_path.rglob("*")) != before


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_target_is_found_wherever_it_stands(
    place: str, trap: Path, composed: dict[str, Any], tmp_path: Path
) -> None:
    config = copy.deepcopy(composed)
    PLACES[place](config, _armed("torch.hub.load", trap))
    with pytest.raises(ValueError, match=r"'torch\.hub\.load' is not among"):
        read_config(_write(tmp_path / "run", config))
    assert not (tmp_path / "marker").exists()


TRICKS = {
    "environment": ("loss: {value: '${oc.env:HOME}'}", "line 1: an interpolation"),
    "escaped interpolation": ('loss: {value: "\\x24{oc.env:HOME}"}', "an interpolation"),
    "interpolated key": ('"${oc.env:HOME}": 1', "an interpolation"),
    "target behind an interpolation": ("a: os.system\nloss: {_target_: '${a}'}", "line 2: an interpolation"),
    "target as an interpolated key": ("a: _target_\nloss: {'${a}': os.system}", "an interpolation"),
    "python object": ("loss: !!python/object/apply:os.system ['touch MARKER']", "a tag"),
    "path object": ("loss: !!python/object/apply:pathlib.Path [x]", "a tag"),
    "tagged text": ("loss: {! _target_: os.system}", "a tag"),
    "merged mapping": ("loss: {<<: {_target_: os.system}}", "'os.system' is not among"),
    "quoted key": ('loss: {"\\x5ftarget_": os.system}', "'os.system' is not among"),
    "dotted key": ("loss: {'a._target_': os.system}", "'os.system' is not among"),
    "the same key twice": ("loss: {_target_: litseg.losses.DiceLoss, _target_: os.system}", "duplicate key"),
    "alias": ("a: &a {_target_: os.system}\nloss: *a", "an anchor"),
    "billion laughs": (
        "a: &a [x, x]\n" + "\n".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in pairwise("abcdefghi")),
        "an anchor",
    ),
    "deep": ("a: " + "[" * 5000 + "]" * 5000, "levels"),
    "large": ("a: [" + "1, " * 2**17 + "]", "bytes"),
    "long number": ("a: " + "9" * 20_000, "20000 characters"),
    "too many digits": ("a: " + "9" * 9_000, "digits"),
    "two documents": ("a: 1\n---\na: 2", "single document"),
    "a list": ("- _target_: os.system", "expected a mapping"),
    "no YAML": ("a: [", "plain YAML"),
    "zero byte": ("a: \0", "plain YAML"),
    "where to connect": ("logger: {mlflow: {tracking_uri: 'https://evil.example/x'}}", "where to connect"),
    "file address": ("logger: {csv: {save_dir: 'file:/etc'}}", "where to connect"),
    "chained address": ("callbacks: {a: {dirpath: 'simplecache::/etc'}}", "where to connect"),
    "write elsewhere": ("callbacks: {a: {dirpath: /etc}}", "expected a path in the run folder"),
    "write at home": ("callbacks: {a: {dirpath: ~/.ssh}}", "expected a path in the run folder"),
    "write where a variable says": ("logger: {a: {save_dir: $HOME/x}}", "expected a path in the run folder"),
    "write above": ("callbacks: {a: {filename: '../../x'}}", "expected a path in the run folder"),
    "write through the old folder": (
        "run_folder: /old\ncallbacks: {a: {dirpath: /old/../../../etc}}", "expected a path in the run folder",
    ),
    "write through a link": ("callbacks: {a: {dirpath: /old/link}}\nrun_folder: /old", "expected a path in the run"),
    "trainer writes elsewhere": ("trainer: {default_root_dir: /etc}", "expected a path in the run folder"),
}  # fmt: skip


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_of_the_file_is_refused(name: str, tmp_path: Path) -> None:
    text, message = TRICKS[name]
    folder = _write(tmp_path / "run", text.replace("MARKER", str(tmp_path / "marker")))
    (folder / "link").symlink_to("/etc")
    with pytest.raises(ValueError, match=message):
        read_config(folder)
    assert not (tmp_path / "marker").exists()


@pytest.mark.timeout(20)
def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run folder on this machine"):
        read_config(Path("https://evil.example/run"))
    (folder := tmp_path / "run").mkdir()
    os.mkfifo(folder / "config.yaml")
    with pytest.raises(ValueError, match="run folder on this machine"):
        read_config(folder)
    (folder / "config.yaml").unlink()
    (folder / "config.yaml").write_bytes(b"a: \xff")
    with pytest.raises(ValueError, match="utf-8"):
        read_config(folder)


class TestTrust:
    @pytest.fixture
    def own(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A package of the user's with a loss."""
        (tmp_path / "my_package").mkdir()
        (tmp_path / "my_package" / "__init__.py").write_text(
            "import os\nfrom torch import nn\nclass Loss(nn.Module): ...\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.delitem(sys.modules, "my_package", raising=False)
        return _write(tmp_path / "run", {"loss": {"_target_": "my_package.Loss"}})

    def test_a_package_of_the_users_must_be_given(self, own: Path) -> None:
        with pytest.raises(ValueError, match=r"trust=\[my_package\.Loss\]"):
            read_config(own)
        assert "my_package" not in sys.modules
        for trust in ("my_package", "my_package.Loss"):
            assert read_config(own, [trust]).loss._target_ == "my_package.Loss"
        for trust in ("", "my_pack", "my_package.L", "other"):
            with pytest.raises(ValueError, match="not among"):
                read_config(own, [trust])

    @pytest.mark.parametrize("target", ["my_package.os.system", "my_package.nn.Module", "my_package.nothing"])
    def test_what_that_package_imports_is_not_given_with_it(self, own: Path, target: str) -> None:
        with pytest.raises(ValueError, match="not among"):
            read_config(_write(own, {"loss": {"_target_": target}}), ["my_package"])

    def test_the_own_conf_gives_its_targets(self, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "conf" / "loss").mkdir(parents=True)
        (tmp_path / "conf" / "loss" / "mine.yaml").write_text("# Mine.\n_target_: my_package.Loss  # mine\n")
        monkeypatch.setattr(saved_config, "CONF", tmp_path / "conf")
        saved_config._targets_of_conf.cache_clear()
        try:
            assert read_config(own).loss._target_ == "my_package.Loss"
            with pytest.raises(ValueError, match="not among"):
                read_config(_write(own, {"loss": {"_target_": "my_package.Loss.forward"}}))
        finally:
            saved_config._targets_of_conf.cache_clear()

    def test_an_address_and_a_folder_can_be_given(self, tmp_path: Path) -> None:
        config = {"logger": {"a": {"uri": "http://host:5000/x"}}, "callbacks": {"b": {"dirpath": "/scratch/me/run"}}}
        folder = _write(tmp_path / "run", config)
        assert read_config(folder, ["http://host:5000", "/scratch/me"]) == config
        for trust in (["http://host:5000"], ["/scratch/me"], ["http://host", "/scratch/me"]):
            with pytest.raises(ValueError, match="If you know it"):
                read_config(folder, trust)


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: value)
def test_every_shipped_config_is_read_as_it_was_written(group: str, option: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    config = _written(folder, f"{group}={option}", *REQUIRED.get((group, option), []))
    assert read_config(_write(folder, config)) == config


@pytest.mark.parametrize(
    "target",
    ["torch.nn.CrossEntropyLoss", "torch.optim.NAdam", "timm.optim.Lamb", "segmentation_models_pytorch.Unet",
     "segmentation_models_pytorch.losses.DiceLoss", "albumentations.SomeOf", "albumentations.CLAHE",
     "lightning.pytorch.callbacks.Timer", "lightning.pytorch.loggers.TensorBoardLogger", "litseg.losses.dice.DiceLoss",
     "litseg.losses.weight_schedule.Cosine", "litseg.data.sets.folder.Folder", "litseg.training.WeightAverage"],
)  # fmt: skip
def test_what_a_user_may_have_added_without_code_of_his_own_is_read(target: str, tmp_path: Path) -> None:
    assert read_config(_write(tmp_path / "run", {"mine": {"_target_": target}})).mine._target_ == target


def test_a_folder_that_was_moved_is_read_with_its_paths(tmp_path: Path) -> None:
    config = _written("/home/stranger/run", "logger=csv", "+note=/home/stranger/run2")
    cfg = read_config(_write(tmp_path / "here", config))
    assert cfg.run_folder == cfg.logger.csv.folder == str(tmp_path / "here")
    assert cfg.callbacks.checkpoint.folder == str(tmp_path / "here" / "checkpoints")
    assert cfg.note == "/home/stranger/run2"


def test_what_was_read_builds_as_before(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    cfg: DictConfig = read_config(_write(folder, _written(folder, "experiment=unet_dice", "logger=csv")))
    assert type(instantiate(cfg.loss)).__name__ == "DiceLoss"
    assert instantiate(cfg.callbacks.checkpoint).folder == folder / "checkpoints"
    assert [type(transform).__name__ for transform in instantiate(cfg.augmentation.train)]
    assert instantiate(cfg.optimizer, _partial_=True).keywords["lr"] == cfg.optimizer.lr
    assert instantiate(cfg.data).class_names
