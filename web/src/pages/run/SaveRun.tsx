import { Trans } from "@lingui/react/macro";
import { Anchor } from "@mantine/core";

/** The run as one HTML file that opens without a server. */
export function SaveRun({ runId }: { runId: string }) {
  return (
    <Anchor href={`/api/v1/runs/${encodeURIComponent(runId)}/export`} download={`${runId}.html`} fz="sm" underline="always">
      <Trans>Save as one file</Trans>
    </Anchor>
  );
}
