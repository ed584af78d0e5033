import math

from rich.console import Console

from litseg.results import class_table


def test_rows_are_classes_in_percent_and_absent_ones_show_a_dash() -> None:
    metrics = {
        "iou/road": 0.5, "dice/road": 2 / 3, "precision/road": 1.0, "recall/road": 0.5, "iou/sign": math.nan,
        "dice/sign": math.nan, "precision/sign": math.nan, "recall/sign": math.nan, "miou": 0.5, "mdice": 2 / 3,
        "precision": 1.0, "recall": 0.5, "pixel_accuracy": 0.5, "fwiou": 0.5,
    }  # fmt: skip
    console = Console(width=80, record=True, file=None)
    with console.capture() as capture:
        console.print(class_table(metrics, ["road", "sign"], "test"))
    lines = capture.get().splitlines()
    road, sign, mean = (
        next(line for line in lines if word in line).replace("│", " ").split() for word in ("road", "sign", "mean")
    )
    assert road == ["road", "50.00", "66.67", "100.00", "50.00"]
    assert sign == ["sign", "-", "-", "-", "-"]
    assert mean == ["mean", "50.00", "66.67", "100.00", "50.00"]


def test_names_may_look_like_the_terminals_markup() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(class_table({}, ["road [dry]", "[/sign]"], "folder [a]"))
    assert all(name in capture.get() for name in ("road [dry]", "[/sign]", "folder [a]"))
