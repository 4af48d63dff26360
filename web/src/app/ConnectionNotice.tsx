import { Trans } from "@lingui/react/macro";
import { Alert } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";

const LOOK_EVERY_MS = 5_000;
const AWAY_LOOK_EVERY_MS = 1_000;

/** Says that the server does not answer, until it does; what was on the page stays, and goes on. */
export function ConnectionNotice() {
  const health = useQuery({
    queryKey: ["health"],
    queryFn: async () => (await fetch("/healthz", { cache: "no-store" })).ok,
    retry: false,
    refetchInterval: (query) => (query.state.data === true && !query.state.error ? LOOK_EVERY_MS : AWAY_LOOK_EVERY_MS),
  });
  const isAway = health.isError || health.data === false;
  return (
    <div role="status">
      {isAway && (
        <Alert color="orange" mb="md" icon={<IconPlugConnectedX aria-hidden />}>
          <Trans>The server does not answer. This page goes on by itself as soon as it is back; runs do not need it.</Trans>
        </Alert>
      )}
    </div>
  );
}
