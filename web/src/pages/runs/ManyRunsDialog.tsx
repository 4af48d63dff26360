import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, List, Loader, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Run } from "../../api/client";
import { useRunsByIds, type ManyRunsRequest } from "../../api/manyRuns";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FINISHED } from "../../kit/status";

const NAMED = 10;

interface ManyRunsDialogProps {
  ids: string[];
  kind: ManyRunsRequest["kind"];
  onClose: () => void;
  onConfirm: (runs: Run[], request: ManyRunsRequest) => void;
}

/** Asks, with count and names, before something is done with several runs. */
export function ManyRunsDialog({ ids, kind, onClose, onConfirm }: ManyRunsDialogProps) {
  const { t } = useLingui();
  const { runs, isPending, error } = useRunsByIds(ids);
  const [name, setName] = useState("");
  const [value, setValue] = useState("");
  const meant = runs.filter((run) => kind === "label" || FINISHED.has(run.status) === (kind === "delete"));
  const titles = { cancel: t`Cancel runs`, delete: t`Delete runs`, label: t`Label runs` };
  const request: ManyRunsRequest = kind === "label" ? { kind, name: name.trim(), value } : { kind };
  return (
    <Modal opened onClose={onClose} title={titles[kind]}>
      <Stack>
        {error && <ErrorNotice error={error} />}
        {isPending ? <Loader /> : <Meant kind={kind} meant={meant} left={runs.length - meant.length} />}
        {kind === "label" && (
          <Group grow align="end">
            <TextInput label={t`Label`} placeholder="team" maxLength={200} value={name} onChange={(event) => setName(event.currentTarget.value)} />
            <TextInput
              label={t`Value (empty: the label is taken away)`}
              maxLength={200}
              value={value}
              onChange={(event) => setValue(event.currentTarget.value)}
            />
          </Group>
        )}
        <Group justify="end">
          <Button variant="default" onClick={onClose}>
            <Trans>Leave them as they are</Trans>
          </Button>
          <Button
            {...(kind === "label" ? {} : { color: "red" })}
            disabled={isPending || meant.length === 0 || (kind === "label" && name.trim() === "")}
            onClick={() => onConfirm(meant, request)}
          >
            {titles[kind]}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function Meant({ kind, meant, left }: { kind: ManyRunsRequest["kind"]; meant: Run[]; left: number }) {
  return (
    <Stack gap="xs">
      <Text>
        {kind === "cancel" && <Plural value={meant.length} one="# run ends, and its model is not kept:" other="# runs end, and their models are not kept:" />}
        {kind === "delete" && (
          <Plural
            value={meant.length}
            one="# run is deleted with its events, checkpoints and log; its model stays:"
            other="# runs are deleted with their events, checkpoints and logs; their models stay:"
          />
        )}
        {kind === "label" && <Plural value={meant.length} one="# run gets the label:" other="# runs get the label:" />}
      </Text>
      <List size="sm">
        {meant.slice(0, NAMED).map((run) => (
          <List.Item key={run.uid}>{run.name ?? run.id}</List.Item>
        ))}
        {meant.length > NAMED && (
          <List.Item>
            <Plural value={meant.length - NAMED} one="and # more" other="and # more" />
          </List.Item>
        )}
      </List>
      {left > 0 && kind === "cancel" && (
        <Text fz="sm">
          <Plural value={left} one="# of those selected has ended already." other="# of those selected have ended already." />
        </Text>
      )}
      {left > 0 && kind === "delete" && (
        <Text fz="sm">
          <Plural value={left} one="# of those selected has not ended, and stays." other="# of those selected have not ended, and stay." />
        </Text>
      )}
    </Stack>
  );
}
