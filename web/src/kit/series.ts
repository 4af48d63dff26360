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
  private tokens = new Float64Array(256);
  private times = new Float64Array(256);

  /** Adds a point after all others. `value` may be NaN, which is drawn as a gap. */
  add(step: number, value: number, tokens: number, time: number): void {
    if (this.length === MOST) this.thin();
    if (this.length === this.steps.length) this.grow();
    this.put(this.length, step, value, tokens, time);
    this.length += 1;
  }

  /** Takes back the points of this step and later ones, which are told again. */
  takeBack(step: number): void {
    while (this.length > 0 && (this.steps[this.length - 1] as number) >= step) this.length -= 1;
  }

  /** Returns a column; it is a view, valid until the next change. */
  column(x: X | "value"): Float64Array {
    const whole = { step: this.steps, tokens: this.tokens, time: this.times, value: this.values }[x];
    return whole.subarray(0, this.length);
  }

  private put(place: number, step: number, value: number, tokens: number, time: number): void {
    this.steps[place] = step;
    this.values[place] = value;
    this.tokens[place] = tokens;
    this.times[place] = time;
  }

  private move(from: number, to: number): void {
    this.put(
      to,
      this.steps[from] as number,
      this.values[from] as number,
      this.tokens[from] as number,
      this.times[from] as number,
    );
  }

  private thin(): void {
    let to = 0;
    for (let begin = 0; begin < this.length; begin += OF) {
      let [low, high] = [begin, begin];
      for (let place = begin; place < Math.min(begin + OF, this.length); place += 1) {
        const value = this.values[place] as number;
        // Every comparison with NaN is false: it gives way to any number.
        if (!(value >= (this.values[low] as number))) low = Number.isNaN(value) ? low : place;
        if (!(value <= (this.values[high] as number))) high = Number.isNaN(value) ? high : place;
      }
      for (const place of low === high ? [low] : [Math.min(low, high), Math.max(low, high)]) this.move(place, to++);
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
  }
}
