import { Plural, Trans } from "@lingui/react/macro";
import { Alert, Button, Group, List, Loader, Paper, Stack, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import { useState } from "react";
import { useMe } from "../../api/account";
import { useManyRuns, type ManyRunsRequest, type ManyRunsResult } from "../../api/manyRuns";
import { MOST_SELECTED } from "./search";
import { ManyRunsDialog } from "./ManyRunsDialog";

const MOST_COMPARED = 20;

/** What can be done with the runs that are chosen. */
export function SelectionBar({ ids, onClear }: { ids: string[]; onClear: () => void }) {
  const me = useMe();
  const many = useManyRuns();
  const [asked, setAsked] = useState<ManyRunsRequest["kind"] | null>(null);
  const mayWrite = me.data?.permissions.includes("runs:write") ?? false;
  return (
    <Paper withBorder p="xs">
      <Stack gap="xs">
        <Group gap="xs">
          <Text fz="sm" fw={600} aria-live="polite">
            <Plural value={ids.length} one="# run selected" other="# runs selected" />
          </Text>
          {many.isPending && <Loader size="xs" />}
          {ids.length >= MOST_SELECTED && (
            <Text fz="sm">
              <Trans>No more can be selected at once.</Trans>
            </Text>
          )}
          {ids.length >= 2 && ids.length <= MOST_COMPARED && (
            <Button size="xs" renderRoot={(props) => <Link to="/compare" search={{ run: ids }} {...props} />}>
              <Trans>Compare</Trans>
            </Button>
          )}
          {mayWrite && (
            <>
              <Button size="xs" variant="default" onClick={() => setAsked("label")}>
                <Trans>Label…</Trans>
              </Button>
              <Button size="xs" variant="default" onClick={() => setAsked("cancel")}>
                <Trans>Cancel…</Trans>
              </Button>
              <Button size="xs" variant="default" onClick={() => setAsked("delete")}>
                <Trans>Delete…</Trans>
              </Button>
            </>
          )}
          <Button size="xs" variant="subtle" onClick={onClear}>
            <Trans>Clear the selection</Trans>
          </Button>
        </Group>
        {many.data && <Outcome result={many.data} />}
      </Stack>
      {asked !== null && (
        <ManyRunsDialog
          ids={ids}
          kind={asked}
          onClose={() => setAsked(null)}
          onConfirm={async (runs, request) => {
            // First, since the dialog reads its runs again when they change, also those that are being deleted.
            setAsked(null);
            const { refused } = await many.mutateAsync({ runs, request });
            if (request.kind === "delete" && refused.length === 0) onClear();
          }}
        />
      )}
    </Paper>
  );
}

function Outcome({ result: { done, refused } }: { result: ManyRunsResult }) {
  return (
    <Alert color={refused.length > 0 ? "red" : "green"} role="status">
      <Plural value={done.length} one="Done for # run." other="Done for # runs." />
      {refused.length > 0 && (
        <List size="sm">
          {refused.map(({ run, message }) => (
            <List.Item key={run.uid}>
              {run.name ?? run.id}: {message}
            </List.Item>
          ))}
        </List>
      )}
    </Alert>
  );
}
