import { TextInput, type TextInputProps } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useEffect, useRef, useState } from "react";

const TYPING_MS = 300;

type TypedFilterProps = Omit<TextInputProps, "value" | "onChange" | "onBlur"> & {
  value: string | undefined;
  onType: (value: string | undefined) => void;
};

/** A text that takes effect when its reader pauses, or leaves it. What is being typed is never taken back. */
export function TypedFilter({ value = "", onType, ...props }: TypedFilterProps) {
  const [typed, setTyped] = useState(value);
  const told = useRef(value);
  useEffect(() => {
    // What was told here comes back later, when more may have been typed.
    if (value === told.current) return;
    told.current = value;
    setTyped(value);
  }, [value]);
  const tell = useDebouncedCallback((text: string) => {
    told.current = text;
    onType(text || undefined);
  }, TYPING_MS);
  return (
    <TextInput
      maxLength={200}
      {...props}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        tell(event.currentTarget.value);
      }}
      onBlur={() => tell.flush()}
    />
  );
}
