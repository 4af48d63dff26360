from xml.etree import ElementTree

import pytest

from finery.kit.svg_curve import HEIGHT, WIDTH, svg_curve


class TestSvgCurve:
    @pytest.mark.parametrize(
        "points", [[(1.0, 0.0)], [(1.0, 2.0), (2.0, 2.0)], [(0.0, -1e308), (5.0, 1e300)], [(1.0, 1e-300), (2.0, 0.0)]]
    )
    def test_lies_within_its_frame(self, points: list[tuple[float, float]]) -> None:
        svg = ElementTree.fromstring(svg_curve(points, '"loss" <by> step'))
        line = svg.find("polyline")
        assert line is not None
        places = [tuple(map(float, place.split(","))) for place in line.attrib["points"].split()]
        assert len(places) == len(points)
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
        assert svg.attrib["aria-label"] == '"loss" <by> step'
