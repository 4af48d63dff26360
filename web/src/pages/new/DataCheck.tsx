import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, List, Loader, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { ApiError } from "../../api/client";
import { useCheck } from "../../api/datasets";

const REST_MS = 600;
/** Of each kind of fault. */
const SHOWN = 5;

/** Whether a run of the recipe may train on the data, with the lines that are at fault. */
export function DataCheck({ path, recipe }: { path: string; recipe: string }) {
  const { i18n } = useLingui();
  const [settled] = useDebouncedValue(path, REST_MS);
  const check = useCheck(settled, recipe, undefined);
  if (check.isPending || settled !== path) return <Loader size="xs" />;
  if (check.error)
    return check.error instanceof ApiError && check.error.status === 403 ? null : (
      <Text fz="sm" c="red" role="alert">
        {check.error.message}
      </Text>
    );
  const { ok, trainable, rows, issues, warnings, refusal, misfit } = check.data;
  if (!ok)
    return (
      <Alert color="red" icon={<IconAlertTriangle aria-hidden />} p="xs">
        {refusal || misfit}
        <List size="sm">
          {issues.slice(0, SHOWN).map((issue) => (
            <List.Item key={`${issue.line}:${issue.field}:${issue.reason}`}>
              <Trans>line {issue.line}</Trans>: {issue.reason}
            </List.Item>
          ))}
        </List>
      </Alert>
    );
  return (
    <>
      <Text fz="sm">
        <IconCheck size={14} aria-hidden />{" "}
        <Trans>
          Rows that are learned from: {i18n.number(trainable)} of {i18n.number(rows)}.
        </Trans>
      </Text>
      {warnings.slice(0, SHOWN).map((warning) => (
        <Text key={warning.kind} fz="sm">
          <IconAlertTriangle size={14} aria-hidden /> {i18n.number(warning.count)} × {warning.message}
        </Text>
      ))}
    </>
  );
}
