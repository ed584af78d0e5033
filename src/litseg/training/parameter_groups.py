"""Which parameters the optimizer trains, with which learning rate and weight decay."""

from typing import Any

from torch import nn
from torch.nn import Parameter
from torch.optim import Optimizer


def parameter_groups(
    model: nn.Module, loss: nn.Module, decay_norm_and_bias: bool = True, encoder_rate: float = 1.0
) -> list[dict[str, Any]]:
    """Each trainable parameter in exactly one group; groups that would be empty are left out.

    Args:
        model: its `network.encoder` is the encoder, see `find_encoder`.
        loss: its parameters, such as learned weights, never decay.
        decay_norm_and_bias: whether parameters of at most one dimension decay, too: biases and the scales and shifts
            of norms. timm's rule, `param_groups_weight_decay`.
        encoder_rate: factor of the encoder's learning rate.

    Returns:
        Groups of `params`, `name`, for those without decay `weight_decay`, and for the encoder's `rate_factor`, which
        `scale_rates` applies. Without the two options one group of the model, and one of the loss if it learns.

    Raises:
        ValueError: an `encoder_rate` that is not above 0, or is not 1 for a network without an encoder.
    """
    if encoder_rate <= 0:
        raise ValueError(f"parameter_groups.encoder_rate: expected a number above 0, got {encoder_rate}")
    in_encoder = set() if encoder_rate == 1 else {id(each) for each in find_encoder(model).parameters()}
    of_loss = [each for each in loss.parameters() if each.requires_grad]
    known = {id(each) for each in of_loss}
    others = [each for each in model.parameters() if each.requires_grad and id(each) not in known]
    groups = []
    for part, inside in (("network", False), ("encoder", True)):
        members = [each for each in others if (id(each) in in_encoder) == inside]
        rate = {"rate_factor": encoder_rate} if inside else {}
        decayed = [each for each in members if _decays(each, decay_norm_and_bias)]
        rest = [each for each in members if not _decays(each, decay_norm_and_bias)]
        groups.append({"params": decayed, "name": part, **rate})
        groups.append({"params": rest, "name": f"{part} norm and bias", "weight_decay": 0.0, **rate})
    groups.append({"params": of_loss, "name": "loss", "weight_decay": 0.0})
    groups = [group for group in groups if group["params"]]
    if len(groups) == 1:  # its rate is then logged under the optimizer's name alone
        del groups[0]["name"]
    return groups


def find_encoder(model: nn.Module) -> nn.Module:
    """The `network.encoder` of a `SegmentationModel`, as smp's networks have it.

    Raises:
        ValueError: there is none.
    """
    encoder = getattr(getattr(model, "network", None), "encoder", None)
    if not isinstance(encoder, nn.Module):
        raise ValueError(
            f"the network {type(getattr(model, 'network', model)).__name__} has no attribute `encoder`; leave "
            "parameter_groups.encoder_rate at 1 and the encoder unfrozen, or name its part so"
        )
    return encoder


def scale_rates(optimizer: Optimizer) -> None:
    """Multiplies each group's learning rate by its `rate_factor`, once, before a schedule takes it as its base."""
    for group in optimizer.param_groups:
        group["lr"] = group["lr"] * group.get("rate_factor", 1.0)


def describe_groups(optimizer: Optimizer) -> str:
    """One line: each group's name, number of parameters, base rate and weight decay."""
    return "; ".join(
        f"{group.get('name', 'group')} {sum(each.numel() for each in group['params']):,} parameters, "
        f"rate {group.get('initial_lr', group['lr']):.3g}, weight decay {group.get('weight_decay', 0.0):.3g}"
        for group in optimizer.param_groups
    )


def _decays(parameter: Parameter, decay_norm_and_bias: bool) -> bool:
    return decay_norm_and_bias or parameter.ndim > 1
