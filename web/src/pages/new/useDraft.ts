/** What is filled in. It survives a reload in the tab's own storage, which forgets it when the tab is closed. */
import { useCallback, useEffect, useState } from "react";
import type { Run } from "../../api/client";
import type { Goal } from "../../api/sweeps";
import type { Config } from "../../kit/settings";
import { drop, keep, kept } from "../../kit/storage";
import type { NewSearch } from "./search";

export interface Draft {
  /** The run that it was cloned from. */
  from?: string;
  recipe: string;
  config: Config;
  name: string;
  priority: number;
  gpus: number | null;
  shared: boolean;
  metric: string;
  goal: Goal | null;
}

const KEY = "finery.new";
/** May hold what nobody else should read. */
export const UNSTORED = ["environment"];
const EMPTY: Draft = {
  recipe: "sft",
  config: {},
  name: "",
  priority: 0,
  gpus: null,
  shared: false,
  metric: "",
  goal: null,
};

export interface DraftState {
  draft: Draft;
  change: (changes: Partial<Draft>) => void;
  /** Sets a setting; undefined: to its default. */
  set: (setting: string, value: unknown) => void;
  clear: () => void;
}

/** `origin`: the run that is cloned, once it has come. */
export function useDraft(search: NewSearch, origin: Run | undefined): DraftState {
  const [draft, setDraft] = useState(() => begun(search));
  const change = useCallback((changes: Partial<Draft>) => setDraft((before) => ({ ...before, ...changes })), []);
  const set = useCallback(
    (setting: string, value: unknown) =>
      setDraft((before) => {
        const { [setting]: _, ...others } = before.config;
        return { ...before, config: value === undefined ? others : { ...others, [setting]: value } };
      }),
    [],
  );
  const { from } = search;
  useEffect(() => {
    if (origin === undefined || from === undefined) return;
    // It may come again, newer, when it was changed already here.
    setDraft((before) => (before.from === from ? before : cloned(origin, from)));
  }, [origin, from]);
  useEffect(() => store(draft), [draft]);
  const clear = useCallback(() => {
    drop("sessionStorage", KEY);
    setDraft(EMPTY);
  }, []);
  return { draft, change, set, clear };
}

export function forgetDraft(): void {
  drop("sessionStorage", KEY);
}

/** Returns what was filled in before, unless the address asks for another beginning. */
function begun({ recipe, from, model, data }: NewSearch): Draft {
  const before = stored();
  const draft = before !== undefined && (from === undefined || before.from === from) ? before : EMPTY;
  const named = { ...(model ? { model_name: model } : {}), ...(data ? { dataset_path: data } : {}) };
  return { ...EMPTY, ...draft, ...(recipe ? { recipe } : {}), config: { ...draft.config, ...named } };
}

function cloned(run: Run, from: string): Draft {
  // The folder of its model is its own.
  const { output_dir: _, ...config } = run.requested as Config;
  const { recipe, priority, shared } = run;
  return { ...EMPTY, from, recipe, priority, shared, config, name: run.sweep_id ? "" : (run.name ?? "") };
}

function store(draft: Draft): void {
  const storable = Object.entries(draft.config).filter(([setting]) => !UNSTORED.includes(setting));
  keep("sessionStorage", KEY, JSON.stringify({ ...draft, config: Object.fromEntries(storable) }));
}

function stored(): Draft | undefined {
  try {
    return (JSON.parse(kept("sessionStorage", KEY) ?? "null") as Draft | null) ?? undefined;
  } catch {
    return undefined;
  }
}
