/** Gathers what comes one by one, so that the page is drawn once a frame. */

/** While the page is hidden there are no frames; it may also be hidden after one was asked for. */
const HIDDEN_MS = 1_000;

/** Hands on all that was added since the last frame, at once; `flush` does so now. */
export function inFrames<T>(take: (gathered: T[]) => void): { add: (one: T) => void; flush: () => void } {
  let gathered: T[] = [];
  let frame = 0;
  let timer = 0;
  const flush = () => {
    window.cancelAnimationFrame(frame);
    window.clearTimeout(timer);
    if (gathered.length === 0) return;
    const all = gathered;
    gathered = [];
    take(all);
  };
  const add = (one: T) => {
    gathered.push(one);
    if (gathered.length > 1) return;
    frame = window.requestAnimationFrame(flush);
    timer = window.setTimeout(flush, HIDDEN_MS);
  };
  return { add, flush };
}
