import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, Stack, Text, TextInput, UnstyledButton } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useLogSearch } from "../../../api/runLog";
import { ErrorNotice } from "../../../components/ErrorNotice";
import classes from "./LogView.module.css";

/** Finds a text in the whole log; a line that was found leads to its place. */
export function LogSearch({ runId, onFound }: { runId: string; onFound: (place: number) => void }) {
  const { t } = useLingui();
  const { q = "" } = useSearch({ from: "/runs/$runId" });
  const navigate = useNavigate({ from: "/runs/$runId" });
  const [text, setText] = useState(q);
  const found = useLogSearch(runId, q);
  const lines = found.data?.pages.flatMap((page) => page.lines) ?? [];
  return (
    <Stack gap="xs">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void navigate({ search: ({ q: _, ...rest }) => (text === "" ? rest : { ...rest, q: text }) });
        }}
      >
        <Group gap="xs" align="end">
          <TextInput
            label={t`Search in the log`}
            maxLength={200}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
          <Button type="submit" variant="default" loading={found.isFetching}>
            <Trans>Search</Trans>
          </Button>
        </Group>
      </form>
      {found.error && <ErrorNotice error={found.error} />}
      {found.data && lines.length === 0 && !found.hasNextPage && (
        <Text fz="sm">
          <Trans>No line contains it.</Trans>
        </Text>
      )}
      {lines.length > 0 && (
        <div className={classes["found"]} tabIndex={0} role="region" aria-label={t`Search in the log`}>
          {lines.map((line) => (
            <UnstyledButton key={line.offset} display="block" onClick={() => onFound(line.offset)}>
              <Text fz="sm" ff="monospace" className={classes["hit"]}>
                {line.text}
              </Text>
            </UnstyledButton>
          ))}
        </div>
      )}
      {found.hasNextPage && (
        <Group>
          <Button size="xs" variant="default" loading={found.isFetching} onClick={() => void found.fetchNextPage()}>
            <Trans>Search on</Trans>
          </Button>
        </Group>
      )}
    </Stack>
  );
}
