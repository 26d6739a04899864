"""Where boxes stand: none on another, all arrows downwards, whatever the graph."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from mosaic.compiler.diagrams.layout import GAP, MOST, lay_out, layers_of

Graph = tuple[list[tuple[float, float]], list[tuple[int, int]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Boxes of two sizes, and arrows from earlier ones to later ones; some go far, some boxes have none."""
    count = draw(st.integers(1, 40))
    sizes = draw(st.lists(st.sampled_from([(184.0, 46.0), (136.0, 34.0)]), min_size=count, max_size=count))
    ends = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))
    pairs = draw(st.lists(ends, max_size=3 * count))
    return sizes, sorted({(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]})


@settings(deadline=None)
@given(graphs())
def test_no_two_boxes_overlap(graph: Graph) -> None:
    laid = lay_out(*graph)
    for one, other in combinations(laid.places, 2):
        if one.y == other.y:
            left, right = sorted((one, other), key=lambda place: place.x)
            assert right.x - (left.x + left.width) >= GAP - 0.2  # places are rounded
        else:
            upper, lower = sorted((one, other), key=lambda place: place.y)
            assert upper.y + upper.height < lower.y


@settings(deadline=None)
@given(graphs())
def test_all_arrows_go_down_from_their_box_to_their_box(graph: Graph) -> None:
    laid = lay_out(*graph)
    for (start, end), route in zip(graph[1], laid.routes, strict=True):
        upper, lower = laid.places[start], laid.places[end]
        assert upper.y + upper.height < lower.y
        assert all(above[1] <= below[1] for above, below in pairwise(route.points))
        (x, y), (to, foot) = route.points[0], route.points[-1]
        assert upper.x < x < upper.x + upper.width and y == upper.y + upper.height
        assert lower.x < to < lower.x + lower.width and foot == lower.y


@settings(deadline=None)
@given(graphs())
def test_no_arrow_runs_behind_a_box(graph: Graph) -> None:
    """In a layer arrows go straight down, beside every box."""
    laid = lay_out(*graph)
    for route in laid.routes:
        for (x, y), (to, foot) in list(pairwise(route.points))[2:-1:2]:
            assert x == to
            for place in laid.places:
                if place.y < foot and y < place.y + place.height:
                    assert not place.x < x < place.x + place.width


@settings(deadline=None)
@given(graphs())
def test_everything_is_in_the_picture_and_the_same_each_time(graph: Graph) -> None:
    laid = lay_out(*graph)
    assert laid == lay_out(*graph)
    for place in laid.places:
        assert place.x >= -0.1 and place.x + place.width <= laid.width + 0.1
        assert place.y >= 0 and place.y + place.height <= laid.height + 0.1


@given(graphs())
def test_layers_are_full_at_most(graph: Graph) -> None:
    depth = layers_of(len(graph[0]), graph[1])
    assert max(Counter(depth).values()) <= MOST
    assert set(depth) == set(range(max(depth) + 1))


def test_crossings_that_need_not_be_are_taken_out() -> None:
    boxes = [(136.0, 34.0)] * 6
    laid = lay_out(boxes, [(0, 5), (1, 4), (2, 3)])
    upper = sorted(range(3), key=lambda number: laid.places[number].x)
    lower = sorted(range(3, 6), key=lambda number: laid.places[number].x)
    assert [5 - number for number in upper] == lower


def test_nothing_at_all() -> None:
    assert lay_out([], []).places == ()


def test_two_hundred_boxes_keep_a_readable_shape() -> None:
    """Fifty chains of four from one box: in bands, no wider than a row of the most boxes and their lanes."""
    chains = [(1 + 4 * chain + at, 2 + 4 * chain + at) for chain in range(50) for at in range(3)]
    laid = lay_out([(184.0, 46.0)] * 201, [*((0, 1 + 4 * chain) for chain in range(50)), *chains])
    assert laid.width < 2 * MOST * (184 + GAP)
    assert laid.height < 3 * laid.width
