/** The smoothed line over a raw one. */

/**
 * Returns the exponential moving average, with the correction of Adam (Kingma and Ba, 2015, section 3) for its start
 * at zero. `weight`: the share of the past, from 0 (nothing is smoothed) to below 1. Gaps (null, NaN) stay gaps.
 */
export function smoothed<T extends number | null>(values: readonly T[], weight: number): (T | number)[] {
  let sum = 0;
  let norm = 0;
  return values.map((value) => {
    if (value === null || !Number.isFinite(value)) return value;
    sum = weight * sum + (1 - weight) * value;
    norm = weight * norm + (1 - weight);
    return sum / norm;
  });
}
