/** Tells from a recipe's JSON schema with what a setting is filled in. */
import type { Recipe } from "../../api/submissions";
import type { Setting } from "../../kit/settings";

export type FieldKind = "model" | "data" | "switch" | "choice" | "list" | "text" | "long" | "json" | "number";

export interface Field {
  setting: Setting;
  kind: FieldKind;
  /** The words of a choice, `auto` included. */
  choices: string[];
}

interface Schema {
  $ref?: string;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  anyOf?: Schema[];
  oneOf?: Schema[];
  maxLength?: number;
}

const DATA = ["dataset_path", "eval_dataset_path"];
/** A longer text gets several lines. */
const ONE_LINE = 10_000;
/** Fields that have one possible value. */
const FIXED = ["trust_remote_code"];

export function fieldsOf(recipe: Recipe): Map<string, Field> {
  const properties = (recipe.config_schema as { properties: Record<string, Schema> }).properties;
  const fillable = recipe.settings.filter(({ name }) => !FIXED.includes(name));
  return new Map(fillable.map((setting) => [setting.name, fieldOf(setting, properties[setting.name] ?? {})]));
}

function fieldOf(setting: Setting, schema: Schema): Field {
  const parts = partsOf(schema);
  const words = parts.flatMap((part) => [...(part.enum ?? []), ...("const" in part ? [part.const] : [])]);
  const choices = words.map(String);
  return { setting, kind: kindOf(setting.name, parts, choices), choices };
}

function kindOf(name: string, parts: Schema[], choices: string[]): FieldKind {
  const types = parts.map((part) => part.type);
  if (name === "model_name") return "model";
  if (DATA.includes(name)) return "data";
  if (types.includes("boolean")) return choices.includes("auto") ? "choice" : "switch";
  if (types.includes("integer") || types.includes("number")) return "number";
  if (types.includes("array")) return "list";
  if (choices.length > 0) return "choice";
  const text = parts.find((part) => part.type === "string");
  if (text === undefined) return "json";
  return (text.maxLength ?? 0) > ONE_LINE ? "long" : "text";
}

function partsOf(schema: Schema): Schema[] {
  const parts = schema.anyOf ?? [schema];
  return parts.filter((part) => part.type !== "null");
}
