import { Trans } from "@lingui/react/macro";
import { Button, FileButton, Group, Paper, Text } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import { useState } from "react";

interface FileDropProps {
  onFiles: (files: File[]) => void;
  /** Whether several may be chosen. */
  multiple?: boolean;
  children: React.ReactNode;
}

/** Takes files of data that are dropped on it, or chosen. */
export function FileDrop({ onFiles, multiple = false, children }: FileDropProps) {
  const [isOver, setOver] = useState(false);
  const take = (files: File[]) => files.length > 0 && onFiles(multiple ? files : files.slice(0, 1));
  return (
    <Paper
      withBorder
      p="md"
      style={isOver ? { background: "var(--mantine-primary-color-light)" } : {}}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        event.preventDefault();
        setOver(false);
        take([...event.dataTransfer.files]);
      }}
    >
      <Group justify="space-between">
        <Text fz="sm">{children}</Text>
        <FileButton multiple={multiple} onChange={(chosen) => take(chosen === null ? [] : [chosen].flat())}>
          {(props) => (
            <Button {...props} variant="default" leftSection={<IconUpload size={16} aria-hidden />}>
              <Trans>Choose a file</Trans>
            </Button>
          )}
        </FileButton>
      </Group>
    </Paper>
  );
}
