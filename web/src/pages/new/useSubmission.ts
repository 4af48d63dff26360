/** Looks at what would come of a draft while it is written, and sends it. */
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo, useRef, useState } from "react";
import { ApiError } from "../../api/client";
import { usePreview, useSubmit, type Recipe, type Submitted } from "../../api/submissions";
import { placeOf, textOfValue } from "../../kit/settings";
import { bodyOf, isSweepOf } from "./request";
import { forgetDraft, type Draft } from "./useDraft";

const REST_MS = 500;
/** Fields of the request beside the settings that are filled in here. */
const OWN = ["name", "metric", "goal", "resources"];

interface Issue {
  field: string;
  message: string;
  line?: number | null;
  code: string;
}

interface SubmissionOptions {
  draft: Draft;
  recipe: Recipe;
  /** What is told at a field that is not filled in. */
  missing: string;
  onDone: (submitted: Submitted) => void;
}

export function useSubmission({ draft, recipe, missing, onDone }: SubmissionOptions) {
  const isSweep = isSweepOf(draft, recipe);
  const body = useMemo(() => bodyOf(draft), [draft]);
  const [settled] = useDebouncedValue(body, REST_MS);
  const isComplete = recipe.settings.every(({ name, required }) => !required || textOfValue(draft.config[name]) !== "");
  const preview = usePreview(settled, isComplete);
  const submit = useSubmit();
  const [tried, setTried] = useState(false);
  const sent = useRef({ body: "", key: "" });

  const send = () => {
    setTried(true);
    if (!isComplete) return;
    const text = JSON.stringify(body);
    // The same request sent again after a broken connection is the same run.
    if (sent.current.body !== text) sent.current = { body: text, key: randomKey() };
    submit.mutate(
      { body, isSweep, key: sent.current.key },
      {
        onSuccess: (submitted) => {
          forgetDraft();
          onDone(submitted);
        },
      },
    );
  };

  const refused = submit.error instanceof ApiError && sent.current.body === JSON.stringify(body) ? submit.error.issues : [];
  const issues: Issue[] = [...refused, ...(isComplete ? (preview.data?.issues ?? []) : [])];
  const gaps = tried && !isComplete ? missingOf(draft, recipe, missing) : [];
  const placed = place([...gaps, ...issues], draft, recipe);
  return {
    isSweep,
    isComplete,
    preview: isComplete ? preview.data : undefined,
    isStale: settled !== body || preview.isFetching,
    error: submit.error ?? preview.error,
    isSending: submit.isPending,
    send,
    ...placed,
  };
}

function missingOf(draft: Draft, recipe: Recipe, message: string): Issue[] {
  return recipe.settings
    .filter(({ name, required }) => required && textOfValue(draft.config[name]) === "")
    .map(({ name }) => ({ field: name, message, code: "missing" }));
}

/** Returns the messages by the field where they are shown, and those of no field that is shown. */
function place(issues: readonly Issue[], draft: Draft, recipe: Recipe) {
  const errors = new Map<string, string>();
  const elsewhere: string[] = [];
  const known = new Set([...recipe.settings.map(({ name }) => name), ...OWN]);
  for (const { field, message } of issues) {
    const { setting, index } = placeOf(field);
    const values = draft.config[setting];
    const which = index !== undefined && Array.isArray(values) ? `${textOfValue(values[index])}: ` : "";
    if (!known.has(setting)) elsewhere.push(field ? `${field}: ${message}` : message);
    else if (!(errors.get(setting) ?? "").includes(`${which}${message}`))
      errors.set(setting, [errors.get(setting), `${which}${message}`].filter(Boolean).join("\n"));
  }
  return { errors, elsewhere: [...new Set(elsewhere)] };
}

function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
