"""What every data set keeps, shown on trees that imitate the owners' layouts."""

import inspect
import sys
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from litseg.data.scan import scan
from litseg.data.source import SPLITS
from tests.data.sets.trees import TREES, Tree

CONF = Path(__file__).parents[3] / "conf" / "data"
ARCHIVES = {  # sets that are fetched, and the name of their archives in the set's module
    "ade20k": "ARCHIVES",
    "camvid": "CAMVID",
    "coco_stuff": "COCO_STUFF",
    "oxford_pet": "OXFORD_PET",
    "pascal_voc": "VOC2012",
}
PUBLISHED = sorted(set(TREES) - {"folder", "csv"})
everyone = pytest.mark.parametrize("name", sorted(TREES))


@pytest.fixture
def tree(name: str, tmp_path: Path) -> Tree:
    TREES[name].write(tmp_path)
    return TREES[name]


def _pack(folder: Path, inside: str, path: Path) -> None:
    """A zip or tar of the folder, under the name it has within the owner's archive."""
    path.parent.mkdir(exist_ok=True)
    files = [file for file in sorted(folder.rglob("*")) if file.is_file() and path.parent not in file.parents]
    names = [str(Path(inside) / file.relative_to(folder)) for file in files]
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file, name in zip(files, names, strict=True):
                archive.write(file, name)
        return
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for file, name in zip(files, names, strict=True):
            tar.add(file, name)


@everyone
def test_the_splits_are_disjoint_complete_and_always_the_same(name: str, tree: Tree, tmp_path: Path) -> None:
    first, second = tree.open(tmp_path), tree.open(tmp_path)
    ids = [[pair.id for pair in first.pairs(split)] for split in SPLITS]
    assert tuple(map(len, ids)) == tree.counts
    assert len({one for names in ids for one in names}) == sum(tree.counts)
    assert ids == [[pair.id for pair in second.pairs(split)] for split in SPLITS]
    assert not any("/" in one for names in ids for one in names)  # predictions/ID.png


@everyone
def test_every_class_arrives_and_nothing_but_classes_and_void(name: str, tree: Tree, tmp_path: Path) -> None:
    source = tree.open(tmp_path)
    assert len(source.class_names) == tree.classes
    for split in SPLITS:
        found: set[int] = set()
        for pair in source.pairs(split):
            image, mask = source.read_image(pair), source.read_mask(pair)
            assert image.dtype == mask.dtype == np.uint8
            assert image.shape == (*mask.shape, 3)
            found |= set(np.unique(mask).tolist())
        assert found == ({*range(tree.classes), *([255] if tree.void else [])} if source.pairs(split) else set())


@everyone
def test_the_scan_before_training_accepts_it(name: str, tree: Tree, tmp_path: Path) -> None:
    source = tree.open(tmp_path)
    for split, count in zip(SPLITS, tree.counts, strict=True):
        result = scan(source, split)
        assert (0 if result is None else len(result.pixels)) == count
        assert result is None or (result.pixels[:, :-1].sum(0) > 0).all()


@everyone
def test_resize_and_folds_work(name: str, tree: Tree, tmp_path: Path) -> None:
    divided = [tree.open(tmp_path, resize=[24, 30], fold=fold, folds=2) for fold in range(2)]
    held = [{pair.id for pair in source.pairs("val")} for source in divided]
    test = {pair.id for pair in divided[0].pairs("test")}
    assert not held[0] & held[1]
    assert held[0] | held[1] | test == {pair.id for split in SPLITS for pair in tree.open(tmp_path).pairs(split)}
    assert test == {pair.id for pair in divided[1].pairs("test")}
    assert not test & (held[0] | held[1])
    pair = divided[0].pairs("train")[0]
    assert divided[0].read_image(pair).shape == (24, 30, 3)
    assert divided[0].read_mask(pair).shape == (24, 30)


@everyone
def test_the_config_is_the_constructor(name: str, tree: Tree, tmp_path: Path) -> None:
    config = OmegaConf.load(CONF / f"{name}.yaml")
    keys = list(config.keys())  # `in config` leaves out what the user must set
    arguments = inspect.signature(tree.source).parameters.values()
    own = {one.name: one.default for one in arguments if one.kind != one.VAR_KEYWORD and one.name != "root"}
    for argument, default in own.items():
        assert argument in keys, f"conf/data/{name}.yaml lacks {argument}"
        if default is not inspect.Parameter.empty:
            given = OmegaConf.select(config, argument)
            assert (tuple(given) if OmegaConf.is_list(given) else given) == default
    assert {"root", "task", "resize", "cache", "split_seed", "fold", "folds"} <= set(keys)
    config = OmegaConf.merge(config, {"root": str(tmp_path / tree.file)}, tree.options)
    assert instantiate(config).pairs("train") == tree.open(tmp_path).pairs("train")


@everyone
def test_a_wrong_root_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.*check data\.root"):
        TREES[name].open(tmp_path / "nowhere").pairs("train")


@pytest.mark.parametrize("name", sorted(ARCHIVES))
def test_what_the_owners_archives_unpack_to_is_the_layout(
    name: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, constant = sys.modules[tree.source.__module__], ARCHIVES[name]
    fetched = tmp_path / "fetched"
    packed = [replace(archive, checksum=None, size=None) for archive in getattr(module, constant)]
    for archive in packed:  # as if they had been fetched before, so that nothing is asked of the owner
        _pack(tmp_path / archive.folder, archive.inside, tmp_path / "fetched.archives" / archive.name)
    monkeypatch.setattr(module, constant, packed)
    source = tree.open(fetched, download=True)
    for split in SPLITS:
        pairs, expected = source.pairs(split), tree.open(tmp_path).pairs(split)
        assert [pair.id for pair in pairs] == [pair.id for pair in expected]
        assert all(fetched in path.parents for pair in pairs for path in (*pair.images, *pair.masks))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_task_that_the_labels_do_not_serve_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"data\.task: .*, got multilabel"):
        TREES[name].open(tmp_path, task="multilabel")


@pytest.mark.parametrize("name", PUBLISHED)
def test_it_says_how_to_cite_it_where_it_comes_from_and_how_it_is_laid_out(name: str) -> None:
    source = TREES[name].source
    assert "\n" not in source.citation  # type: ignore[attr-defined]
    assert source.citation[-4:].isdigit(), "ends with the year"  # type: ignore[attr-defined]
    assert all(word in (source.__doc__ or "") for word in ("Layout: ", "Source: ", "Args:"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_file_that_is_missing_is_named(name: str, tree: Tree, tmp_path: Path) -> None:
    pair = tree.open(tmp_path).pairs("train")[0]
    for path in pair.masks:
        path.unlink()
    with pytest.raises(ValueError, match=f"(?s)(mask|image).*{pair.id.removesuffix('_training')}"):
        tree.open(tmp_path).pairs("train")
