import { Trans } from "@lingui/react/macro";
import { Button, Group, Modal, Stack, Text, type ButtonProps } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";

interface ConfirmButtonProps extends ButtonProps {
  /** What it does, as on the button: it is asked again under this word. */
  children: React.ReactNode;
  /** The question, with the name of what it is about. */
  question: React.ReactNode;
  /** What follows from it. */
  consequence: React.ReactNode;
  onConfirm: () => void;
}

/** A button for what destroys: it asks first. */
export function ConfirmButton({ children, question, consequence, onConfirm, ...button }: ConfirmButtonProps) {
  const [isAsking, asking] = useDisclosure();
  return (
    <>
      <Button size="xs" color="red" variant="outline" {...button} onClick={asking.open}>
        {children}
      </Button>
      <Modal opened={isAsking} onClose={asking.close} title={question}>
        <Stack>
          <Text>{consequence}</Text>
          <Group justify="end">
            <Button variant="default" onClick={asking.close}>
              <Trans>Go back</Trans>
            </Button>
            <Button
              color="red"
              onClick={() => {
                onConfirm();
                asking.close();
              }}
            >
              {children}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
