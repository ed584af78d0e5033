import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from torchvision.datasets import OxfordIIITPet, SBDataset
from torchvision.datasets.voc import DATASET_YEAR_DICT

from litseg.data.fetching import archives
from litseg.data.fetching.archives import Archive

SETS = {name: value for name, value in vars(archives).items() if name.isupper() and not name.startswith("_")}
ALL = [archive for table in SETS.values() for archive in table]


def test_the_tables_are_those_of_the_readme() -> None:
    assert set(SETS) == {"OXFORD_PET", "VOC2012", "SBD", "ADE20K", "COCO_STUFF", "CAMVID"}


@pytest.mark.parametrize("archive", ALL, ids=lambda archive: archive.name)
def test_an_entry_is_complete(archive: Archive) -> None:
    assert urlsplit(archive.url).scheme == "https"
    assert archive.source
    assert archive.terms.startswith("http")
    assert archive.checksum is None or re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", archive.checksum)
    for folder in (archive.folder, archive.inside):
        assert not PurePosixPath(folder).is_absolute()
        assert ".." not in folder


@pytest.mark.parametrize("name", SETS)
def test_archives_of_a_set_do_not_share_files_or_folders(name: str) -> None:
    table = SETS[name]
    assert len({archive.name for archive in table}) == len(table)
    assert len({archive.folder for archive in table}) == len(table)


def test_addresses_and_checksums_are_torchvisions() -> None:
    def pairs(table: tuple[Archive, ...]) -> set[tuple[str, str]]:
        return {(archive.url, str(archive.checksum).removeprefix("md5:")) for archive in table}

    assert pairs(archives.OXFORD_PET) == set(OxfordIIITPet._RESOURCES)
    assert pairs(archives.SBD) == {(SBDataset.url, SBDataset.md5)}
    assert pairs(archives.VOC2012) == {(DATASET_YEAR_DICT["2012"]["url"], DATASET_YEAR_DICT["2012"]["md5"])}


@pytest.mark.parametrize("checksum", ["5c4f3ee8e5d25df40f4fd59a7f44e54c", "sha1:00", "md5:"])
def test_a_checksum_names_its_algorithm(checksum: str) -> None:
    with pytest.raises(ValueError, match=r"x/a\.zip: expected a checksum 'md5:\.\.\.' or 'sha256:\.\.\.'"):
        Archive("https://x/a.zip", checksum=checksum)


def test_an_address_ends_in_a_name() -> None:
    assert Archive("https://x/b/a.zip?download=1").name == "a.zip"
    with pytest.raises(ValueError, match="ends in a file name"):
        Archive("https://x/")
