import { Trans } from "@lingui/react/macro";
import { Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { ErrorNotice } from "./ErrorNotice";

interface ConfirmByNameProps {
  name: string;
  title: React.ReactNode;
  /** What is lost. */
  children: React.ReactNode;
  /** What the button says; default: delete. */
  action?: React.ReactNode;
  error: unknown;
  isBusy: boolean;
  onConfirm: () => void;
  onClose: () => void;
}

/** Asks for the name of what is to be deleted. */
export function ConfirmByName({ name, title, children, action, error, isBusy, onConfirm, onClose }: ConfirmByNameProps) {
  const [typed, setTyped] = useState("");
  const isIt = typed === name;
  return (
    <Modal opened onClose={onClose} title={title}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isIt) onConfirm();
        }}
      >
        <Stack>
          <Text>{children}</Text>
          <TextInput
            data-autofocus
            label={<Trans>Type its name to confirm: {name}</Trans>}
            styles={{ label: { overflowWrap: "anywhere" } }}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          {error != null && <ErrorNotice error={error} />}
          <Group justify="end">
            <Button variant="default" onClick={onClose}>
              <Trans>Keep it</Trans>
            </Button>
            <Button type="submit" color="red" disabled={!isIt} loading={isBusy}>
              {action ?? <Trans>Delete</Trans>}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
