/** Saves curves as files. */
import type { RunCurves } from "../../../api/runCurves";

/** Returns all points as comma-separated values, a row for each. */
export function csvOf(curves: RunCurves): string {
  const rows = ["metric,step,tokens,time,value"];
  const cell = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? "" : String(value));
  for (const [name, series] of curves.series) {
    const [steps, tokens, times, values] = (["step", "tokens", "time", "value"] as const).map((x) => series.column(x));
    const quoted = /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
    for (let place = 0; place < series.length; place += 1)
      rows.push([quoted, ...[steps, tokens, times, values].map((column) => cell(column?.[place]))].join(","));
  }
  return `${rows.join("\n")}\n`;
}

export function saveText(name: string, text: string): void {
  save(name, new Blob([text], { type: "text/csv" }));
}

/** Saves what a canvas shows, on the page's own ground. */
export function saveCanvas(name: string, canvas: HTMLCanvasElement): void {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d");
  if (context === null) return;
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, copy.width, copy.height);
  context.drawImage(canvas, 0, 0);
  copy.toBlob((blob) => blob && save(name, blob));
}

function save(name: string, blob: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
