/** A metric's points in columns that grow, of bounded length: what is too much is told by its least and greatest. */

/** Points that are kept; as many pixels lie on no screen. */
const MOST = 8_192;
/** Of so many points in a row the least and the greatest stay. */
const OF = 4;

export type X = "step" | "tokens" | "time";

export class Series {
  length = 0;
  private steps = new Float64Array(256);
  private values = new Float64Array(256);
  private means = new Float64Array(256);
  private tokens = new Float64Array(256);
  private times = new Float64Array(256);

  /** Adds a point after all others. `value` may be NaN, which is drawn as a gap; `mean`: of all that it stands for. */
  add(step: number, value: number, tokens: number, time: number, mean = value): void {
    if (this.length === MOST) this.thin();
    if (this.length === this.steps.length) this.grow();
    this.put(this.length, step, value, tokens, time, mean);
    this.length += 1;
  }

  /** Takes back the points of this step and later ones, which are told again. */
  takeBack(step: number): void {
    while (this.length > 0 && (this.steps[this.length - 1] as number) >= step) this.length -= 1;
  }

  /** Returns a column; it is a view, valid until the next change. */
  column(x: X | "value" | "mean"): Float64Array {
    const whole = { step: this.steps, tokens: this.tokens, time: this.times, value: this.values, mean: this.means }[x];
    return whole.subarray(0, this.length);
  }

  private put(place: number, step: number, value: number, tokens: number, time: number, mean: number): void {
    this.steps[place] = step;
    this.values[place] = value;
    this.tokens[place] = tokens;
    this.times[place] = time;
    this.means[place] = mean;
  }

  private move(from: number, to: number, mean: number): void {
    this.put(
      to,
      this.steps[from] as number,
      this.values[from] as number,
      this.tokens[from] as number,
      this.times[from] as number,
      mean,
    );
  }

  private thin(): void {
    let to = 0;
    for (let begin = 0; begin < this.length; begin += OF) {
      const mean = meanOf(this.means.subarray(begin, Math.min(begin + OF, this.length)));
      let [low, high] = [begin, begin];
      for (let place = begin; place < Math.min(begin + OF, this.length); place += 1) {
        const value = this.values[place] as number;
        // Every comparison with NaN is false: it gives way to any number.
        if (!(value >= (this.values[low] as number))) low = Number.isNaN(value) ? low : place;
        if (!(value <= (this.values[high] as number))) high = Number.isNaN(value) ? high : place;
      }
      for (const place of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) this.move(place, to++, mean);
    }
    this.length = to;
  }

  private grow(): void {
    const longer = (column: Float64Array) => {
      const grown = new Float64Array(Math.min(MOST, 2 * column.length));
      grown.set(column);
      return grown;
    };
    this.steps = longer(this.steps);
    this.values = longer(this.values);
    this.tokens = longer(this.tokens);
    this.times = longer(this.times);
    this.means = longer(this.means);
  }
}

/** Returns the mean of those that are numbers; NaN where none is. */
function meanOf(values: Float64Array): number {
  const numbers = values.filter((value) => !Number.isNaN(value));
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}
