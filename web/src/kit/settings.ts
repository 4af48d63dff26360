/** Values of a recipe's settings as text, and lists of several values, of which a sweep is made. */
import type { Schemas } from "../api/client";

export type Setting = Schemas["Setting"];
export type Config = Record<string, unknown>;

/** Returns the value that was typed: a number, true, false, null, JSON, or else the text itself. */
export function valueOf(text: string): unknown {
  const trimmed = text.trim();
  if (/^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$/.test(trimmed)) return Number(trimmed);
  if (["true", "false", "null"].includes(trimmed) || /^[[{]/.test(trimmed)) {
    try {
      return JSON.parse(trimmed);
    } catch {
      return text;
    }
  }
  return text;
}

/** Returns how a value is typed; `1e-4` rather than `0.0001`. */
export function textOfValue(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number") return textOfNumber(value);
  return JSON.stringify(value);
}

function textOfNumber(value: number): string {
  const isSmall = value !== 0 && Math.abs(value) < 1e-2;
  return isSmall ? value.toExponential().replace("e+", "e") : String(value);
}

/** Returns whether the value is a list of values to try: it has one list more than the setting takes. */
export function holdsSeveral(setting: Setting | undefined, value: unknown): value is unknown[] {
  return setting !== undefined && depthOf(value) > (setting.takes_lists ? 1 : 0);
}

export function isSweep(settings: readonly Setting[], config: Config): boolean {
  return settings.some((setting) => holdsSeveral(setting, config[setting.name]));
}

function depthOf(value: unknown): number {
  return Array.isArray(value) ? 1 + Math.max(0, ...value.map(depthOf)) : 0;
}

/** Returns the setting that an issue is about, and which of several values: of `config.seed[2]`, seed and 2. */
export function placeOf(field: string): { setting: string; index: number | undefined } {
  const [head = ""] = field.replace(/^config\./, "").split(".");
  const found = /^([^[]+)\[(\d+)\]$/.exec(head);
  return found ? { setting: found[1] ?? "", index: Number(found[2]) } : { setting: head, index: undefined };
}
