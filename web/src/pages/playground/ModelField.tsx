import { Trans, useLingui } from "@lingui/react/macro";
import { Autocomplete, Button, Stack } from "@mantine/core";
import { useState } from "react";
import type { Model } from "../../api/models";

interface ModelFieldProps {
  known: Model[];
  model: string;
  other: string | undefined;
  onChange: (next: { model: string }) => void;
  onOther: (next: string | undefined) => void;
}

/** Chooses the model, and another that answers beside it. */
export function ModelField({ known, model, other, onChange, onOther }: ModelFieldProps) {
  const { t } = useLingui();
  const names = [...new Set(known.map(({ name }) => name))];
  return (
    <Stack gap="xs">
      <NameField key={model} label={t`Model`} names={names} value={model} onChange={(next) => onChange({ model: next })} />
      {other === undefined ? (
        <Button variant="default" size="xs" onClick={() => onOther(names.find((name) => name !== model) ?? model)}>
          <Trans>Compare with another model</Trans>
        </Button>
      ) : (
        <>
          <NameField key={other} label={t`Second model`} names={names} value={other} onChange={onOther} />
          <Button variant="default" size="xs" onClick={() => onOther(undefined)}>
            <Trans>Only one model</Trans>
          </Button>
        </>
      )}
    </Stack>
  );
}

interface NameFieldProps {
  label: string;
  names: string[];
  value: string;
  onChange: (next: string) => void;
}

function NameField({ label, names, value, onChange }: NameFieldProps) {
  const [text, setText] = useState(value);
  const take = (next: string) => {
    if (next.trim() && next.trim() !== value) onChange(next.trim());
  };
  return (
    <Autocomplete
      label={label}
      data={names}
      limit={50}
      value={text}
      onChange={setText}
      onOptionSubmit={take}
      onBlur={() => take(text)}
    />
  );
}
