import { Button, type ButtonProps } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { ConfirmDialog, type Confirmation } from "./ConfirmDialog";

interface ConfirmButtonProps extends ButtonProps, Confirmation {
  /** What it does, as on the button: it is asked again under this word. */
  children: React.ReactNode;
}

/** A button for what destroys: it asks first. */
export function ConfirmButton({ children, question, consequence, onConfirm, ...button }: ConfirmButtonProps) {
  const [isAsking, asking] = useDisclosure();
  return (
    <>
      <Button size="xs" color="red" variant="outline" {...button} onClick={asking.open}>
        {children}
      </Button>
      <ConfirmDialog
        opened={isAsking}
        action={children}
        question={question}
        consequence={consequence}
        onConfirm={onConfirm}
        onClose={asking.close}
      />
    </>
  );
}
