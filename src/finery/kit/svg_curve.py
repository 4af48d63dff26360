"""Draws a curve as SVG: a line over its least and greatest values, for pages that run no script."""

from collections.abc import Sequence

from finery.kit.markup import Markup, element

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT = 480, 180
LEFT, RIGHT, TOP, BOTTOM = 64, 12, 10, 24
"""Room for the numbers at the axes."""


def svg_curve(points: Points, label: str) -> Markup:
    """Return an `svg` element; `points` are finite, by rising x, and at least one."""
    (left, right), (low, high) = (_bounds([point[axis] for point in points]) for axis in (0, 1))

    def place(point: tuple[float, float]) -> tuple[float, float]:
        x = LEFT + (point[0] - left) / (right - left) * (WIDTH - LEFT - RIGHT)
        y = TOP + (high - point[1]) / (high - low) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    places = [place(point) for point in points]
    line = " ".join(f"{x},{y}" for x, y in places)
    return element(
        "svg",
        element("line", x1=LEFT, y1=TOP, x2=LEFT, y2=HEIGHT - BOTTOM, class_="axis"),
        element("line", x1=LEFT, y1=HEIGHT - BOTTOM, x2=WIDTH - RIGHT, y2=HEIGHT - BOTTOM, class_="axis"),
        _number(high, LEFT - 6, TOP + 8, "end"),
        _number(low, LEFT - 6, HEIGHT - BOTTOM, "end"),
        _number(left, LEFT, HEIGHT - 6, "start"),
        _number(right, WIDTH - RIGHT, HEIGHT - 6, "end"),
        element("polyline", points=line, class_="curve"),
        element("circle", cx=places[-1][0], cy=places[-1][1], r=2.5, class_="end"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=label,
    )


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    """Return two different numbers around the values."""
    low, high = min(values), max(values)
    room = abs(low) * 0.1 or 1.0
    return (low - room, high + room) if low == high else (low, high)


def _number(value: float, x: float, y: float, anchor: str) -> Markup:
    return element("text", f"{value:.4g}", x=x, y=y, text_anchor=anchor)
