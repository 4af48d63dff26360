/** Spreads what is to be drawn over frames, so that none takes long, however many curves there are. */

/** Of each frame; the rest is the browser's. */
const BUDGET_MS = 5;

const waiting = new Set<() => void>();
let isBegun = false;

/** Calls `draw` in the next frame that has time for it, once however often it was asked for. */
export function drawSoon(draw: () => void): void {
  // What waits the longest comes first: a Set keeps the order of the first request.
  waiting.add(draw);
  if (isBegun) return;
  isBegun = true;
  window.requestAnimationFrame(drawSome);
}

export function drawNoMore(draw: () => void): void {
  waiting.delete(draw);
}

function drawSome(): void {
  const end = performance.now() + BUDGET_MS;
  for (const draw of waiting) {
    waiting.delete(draw);
    draw();
    if (performance.now() >= end) break;
  }
  isBegun = waiting.size > 0;
  if (isBegun) window.requestAnimationFrame(drawSome);
}
