import math

from finery.cli.loss_curve import MOST_KEPT, WIDTH, LossCurve, sparkline


def curve_of(*losses: float | None) -> LossCurve:
    curve = LossCurve()
    for loss in losses:
        curve.add(loss)
    return curve


class TestLossCurve:
    def test_from_the_first_to_the_last(self) -> None:
        curve = curve_of(2.30259, None, math.nan, 1.5, 0.4251)
        assert (curve.change, curve.drawn) == ("2.303 → 0.4251", "█▅▁")

    def test_one_loss_is_no_change(self) -> None:
        assert (curve_of(1.0).change, curve_of(1.0).drawn) == ("", "")

    def test_a_long_run_keeps_its_shape(self) -> None:
        curve = curve_of(*(float(step) for step in range(20 * MOST_KEPT)))
        assert curve.change == f"0 → {20 * MOST_KEPT - 1:,}"
        assert len(curve.drawn) == WIDTH
        assert list(curve.drawn) == sorted(curve.drawn)
        assert (curve.drawn[0], curve.drawn[-1]) == ("▁", "█")


class TestSparkline:
    def test_what_does_not_change_is_flat(self) -> None:
        assert sparkline([1.0, 1.0, 1.0], 24) == "▁▁▁"
