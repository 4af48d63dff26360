import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Button, List } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import { ApiError } from "../api/client";

/** Shows the API's own sentence and remedies. */
export function ErrorNotice({ error, onRetry }: { error: unknown; onRetry?: () => unknown }) {
  const { t } = useLingui();
  const isAway = error instanceof ApiError && error.status === 0;
  const message = isAway ? t`The server does not answer.` : error instanceof Error ? error.message : String(error);
  const issues = error instanceof ApiError ? error.issues : [];
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} role="alert">
      {message}
      {issues.length > 1 && (
        <List size="sm">
          {issues.map((issue) => (
            <List.Item key={`${issue.field}:${issue.message}`}>
              {issue.field}: {issue.message}
            </List.Item>
          ))}
        </List>
      )}
      {onRetry && (
        <Button mt="xs" size="xs" display="block" variant="default" onClick={() => void onRetry()}>
          <Trans>Try again</Trans>
        </Button>
      )}
    </Alert>
  );
}
