import json

import pytest

from litseg.results.line_chart import MOST_POINTS, bar_chart, line_chart


def test_points_lie_where_their_values_are() -> None:
    chart = line_chart("t", {"a": [(0, 0), (5, 1), (10, 2)]}, "x")
    assert chart is not None
    assert chart.lines[0].points == "46.0,186.0 198.0,98.0 350.0,10.0"
    assert json.loads(chart.values)[0][1] == [5, 1, 198.0, 98.0]
    assert [text for _, text in chart.x_ticks] == ["0", "2", "4", "6", "8", "10"]
    assert "a from 0 to 2" in chart.description


def test_lines_without_points_are_left_out() -> None:
    chart = line_chart("t", {"a": [], "b": [(1, 1)]}, "x")
    assert chart is not None
    assert [line.name for line in chart.lines] == ["b"]
    assert line_chart("t", {"a": []}, "x") is None


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1, 1e9])
@pytest.mark.parametrize("points", [[(0.0, 3.0)], [(0.0, 3.0), (1.0, 3.0)], [(0.0, -1.0), (7.0, 1.7)], [(0.0, 0.0)]])
def test_ticks_are_few_and_inside(points: list[tuple[float, float]], scale: float) -> None:
    chart = line_chart("t", {"a": [(x, y * scale) for x, y in points]}, "x")
    assert chart is not None
    assert 2 <= len(chart.y_ticks) <= 7
    assert all(10 <= place <= 186 for place, _ in chart.y_ticks)
    assert len({text for _, text in chart.y_ticks}) == len(chart.y_ticks)


def test_epochs_are_ticked_whole() -> None:
    chart = line_chart("t", {"a": [(1, 0), (3, 1)]}, "epoch", whole=True)
    assert chart is not None
    assert [text for _, text in chart.x_ticks] == ["1", "2", "3"]


def test_long_lines_are_thinned_and_keep_their_end() -> None:
    chart = line_chart("t", {"a": [(step, step % 7) for step in range(10_001)]}, "x")
    assert chart is not None
    values = json.loads(chart.values)[0]
    assert len(values) <= MOST_POINTS + 1
    assert values[-1][0] == 10_000


def test_bars_without_a_height_are_not_drawn() -> None:
    chart = bar_chart("t", "d", [None, 0.5], ["none", "half"], "x", diagonal=True)
    ((left, top, width, height, text),) = chart.bars
    assert (left, top, width, height, text) == (199.0, 98.0, 150.0, 88.0, "half")
    assert chart.diagonal == "46.0,186.0 350.0,10.0"
