"""Names of architectures and encoders: which exist, and which were meant."""

from difflib import get_close_matches

import segmentation_models_pytorch as smp
import timm

ARCHITECTURES: dict[str, type] = {
    network.__name__.lower(): network
    for network in (
        smp.Unet,
        smp.UnetPlusPlus,
        smp.MAnet,
        smp.Linknet,
        smp.FPN,
        smp.PSPNet,
        smp.DeepLabV3,
        smp.DeepLabV3Plus,
        smp.PAN,
        smp.UPerNet,
        smp.Segformer,
        smp.DPT,
    )
}
TIMM = "tu-"
"""What smp puts before the names of timm's encoders."""


def find_architecture(name: str) -> type:
    """The smp class of that name, whatever its capitals.

    Raises:
        ValueError: there is none; the nearest names are in the message.
    """
    network = ARCHITECTURES.get(name.lower())
    if network is None:
        names = [known.__name__ for known in ARCHITECTURES.values()]
        raise ValueError(f"There is no architecture '{name}'. {nearest(name, names)} All: {', '.join(names)}.")
    return network


def find_encoder(name: str) -> str:
    """The encoder's name as smp builds it.

    Raises:
        ValueError: there is none; the nearest names are in the message.
    """
    modern = _modern_name(name)
    if modern in smp.encoders.get_encoder_names() or _is_timm_model(modern):
        return modern
    known = [*smp.encoders.get_encoder_names(), *(TIMM + model for model in timm.list_models())]
    base, _, tag = modern.removeprefix(TIMM).partition(".")
    if tag and timm.is_model(base):
        known = [f"{TIMM}{base}.{known_tag}" for known_tag in timm_tags(base)]
    raise ValueError(
        f"There is no encoder '{name}'. {nearest(name, known)} "
        "Names of timm models begin with tu-; docs: https://smp.readthedocs.io/en/latest/encoders.html"
    )


def _modern_name(name: str) -> str:
    """The name that smp itself uses for an encoder that it once copied from timm, without its deprecation warning."""
    if not smp.encoders.is_equivalent_to_timm_universal(name):
        return name
    name = name.replace("timm-", TIMM)
    return name.replace(TIMM, TIMM + "tf_") if "mobilenetv3" in name else name


def _is_timm_model(name: str) -> bool:
    base, _, tag = name.removeprefix(TIMM).partition(".")
    return name.startswith(TIMM) and timm.is_model(base) and (not tag or tag in timm_tags(base))


def timm_tags(model: str) -> list[str]:
    """The names of a timm model's sets of pretrained weights, the part after the dot."""
    names = timm.list_models(f"{model}.*", pretrained=True)
    return [name.partition(".")[2] for name in names]


def nearest(name: str, known: list[str]) -> str:
    """A sentence with the known names nearest to a wrong one; empty where none is near."""
    matches = get_close_matches(name, known, n=4, cutoff=0.5)
    return f"Nearest: {', '.join(matches)}." if matches else ""
