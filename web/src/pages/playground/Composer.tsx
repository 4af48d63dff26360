import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, Stack, Text, Textarea } from "@mantine/core";
import { useState } from "react";
import classes from "./Composer.module.css";

/** What a key event says while an input method composes, where `isComposing` is not set any more (Safari). */
const COMPOSING_KEY = 229;

interface ComposerProps {
  isBusy: boolean;
  isBlocked: boolean;
  /** Whether the last answer calls a tool, whose result is awaited. */
  callsTool: boolean;
  onSend: (text: string) => void;
  onStop: () => void;
}

/** Where the question is written. Enter sends, unless it ends a composition. */
export function Composer({ isBusy, isBlocked, callsTool, onSend, onStop }: ComposerProps) {
  const { t } = useLingui();
  const [text, setText] = useState("");
  const maySend = !isBusy && !isBlocked && text.trim() !== "";
  const send = () => {
    if (!maySend) return;
    onSend(text);
    setText("");
  };
  return (
    <Stack gap="xs" className={classes["composer"]}>
      <Textarea
        label={callsTool ? t`The tool's result` : t`Your message`}
        autosize
        minRows={2}
        maxRows={10}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
        onKeyDown={({ key, shiftKey, nativeEvent }) => {
          const isComposing = nativeEvent.isComposing || nativeEvent.keyCode === COMPOSING_KEY;
          if (key !== "Enter" || shiftKey || isComposing) return;
          nativeEvent.preventDefault();
          send();
        }}
      />
      <Group justify="space-between">
        <Text fz="sm">
          <Trans>Enter sends, Shift+Enter begins a new line.</Trans>
        </Text>
        {isBusy ? (
          <Button color="red" variant="outline" onClick={onStop}>
            <Trans>Stop</Trans>
          </Button>
        ) : (
          <Button disabled={!maySend} onClick={send}>
            <Trans>Send</Trans>
          </Button>
        )}
      </Group>
    </Stack>
  );
}
