import { Trans } from "@lingui/react/macro";
import { Button, Group, Modal, Stack, Text } from "@mantine/core";

export interface Confirmation {
  /** The question, with the name of what it is about. */
  question: React.ReactNode;
  /** What follows from it. */
  consequence: React.ReactNode;
  onConfirm: () => void;
}

interface ConfirmDialogProps extends Confirmation {
  opened: boolean;
  /** What is done, as on the button. */
  action: React.ReactNode;
  onClose: () => void;
}

/** Asks before what destroys is done. */
export function ConfirmDialog({ opened, action, question, consequence, onConfirm, onClose }: ConfirmDialogProps) {
  return (
    <Modal opened={opened} onClose={onClose} title={question}>
      <Stack>
        <Text>{consequence}</Text>
        <Group justify="end">
          <Button variant="default" onClick={onClose}>
            <Trans>Go back</Trans>
          </Button>
          <Button
            color="red"
            onClick={() => {
              onConfirm();
              onClose();
            }}
          >
            {action}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
