/** A log's text as lines to show. */
import Anser, { type AnserJsonEntry } from "anser";

/** Returns the lines; of a progress bar, which rewrites its line by carriage returns, the last state. */
export function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => {
    const states = line.split("\r").filter((state) => state !== "");
    return states.at(-1) ?? "";
  });
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Returns pieces of a line with the colours that its ANSI sequences name. */
export function piecesOf(line: string): AnserJsonEntry[] {
  return Anser.ansiToJson(line, { remove_empty: true });
}
