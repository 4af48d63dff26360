import { useLingui } from "@lingui/react/macro";
import { Textarea, type TextareaProps } from "@mantine/core";
import { useState } from "react";

type JsonFieldProps = Omit<TextareaProps, "value" | "onChange"> & {
  value: unknown;
  onChange: (value: unknown) => void;
};

/** A JSON object, for what has parts of its own: a grader, environment variables. */
export function JsonField({ value, onChange, error, ...props }: JsonFieldProps) {
  const { t } = useLingui();
  const told = value === undefined ? "" : JSON.stringify(value, null, 2);
  const [typed, setTyped] = useState<string>();
  const fault = typed === undefined || typed.trim() === "" || parsed(typed) !== undefined ? undefined : t`This is no JSON yet.`;
  return (
    <Textarea
      {...props}
      autosize
      minRows={3}
      maxRows={16}
      ff="monospace"
      spellCheck={false}
      value={typed ?? told}
      error={fault ?? error}
      onBlur={() => fault === undefined && setTyped(undefined)}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setTyped(text);
        if (text.trim() === "") onChange(undefined);
        else if (parsed(text) !== undefined) onChange(parsed(text));
      }}
    />
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
