import { Trans, useLingui } from "@lingui/react/macro";
import { Text, Title } from "@mantine/core";
import type { Schemas } from "../../api/client";
import { spanOf } from "../../kit/time";

/** Where the run would stand in the queue, and when it would start as far as that can be told. */
export function WaitText({ wait }: { wait: Schemas["WaitForecast"] }) {
  const { i18n } = useLingui();
  const { position, length, reason, message, seconds } = wait;
  return (
    <div>
      <Title order={2} fz="md">
        <Trans>When it starts</Trans>
      </Title>
      <Text fz="sm">
        {reason === "starts_next" ? (
          <Trans>At once: nothing comes before it.</Trans>
        ) : (
          <>
            <Trans>
              Place {i18n.number(position)} of {i18n.number(length)} in the queue
            </Trans>
            : {message}.
          </>
        )}{" "}
        {seconds !== null && seconds > 0 && <Trans>In about {spanOf(seconds)}, by what the runs before it tell.</Trans>}
      </Text>
    </div>
  );
}
