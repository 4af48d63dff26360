import { TextInput, type TextInputProps } from "@mantine/core";
import { useState } from "react";
import { textOfValue, valueOf } from "../../kit/settings";

type TypedInputProps = Omit<TextInputProps, "value" | "onChange"> & {
  value: unknown;
  onChange: (value: unknown) => void;
};

/** A text whose value may be a number; what is typed stays as it was typed. */
export function TypedInput({ value, onChange, ...props }: TypedInputProps) {
  const [typed, setTyped] = useState(textOfValue(value));
  const isTyped = typed === "" ? value === undefined : JSON.stringify(valueOf(typed)) === JSON.stringify(value);
  return (
    <TextInput
      {...props}
      value={isTyped ? typed : textOfValue(value)}
      onChange={(event) => {
        const text = event.currentTarget.value;
        setTyped(text);
        onChange(text.trim() === "" ? undefined : valueOf(text));
      }}
    />
  );
}
