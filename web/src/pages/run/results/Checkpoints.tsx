import { Trans } from "@lingui/react/macro";
import { Alert, Button, Code, Group, Stack, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Run } from "../../../api/client";
import { useMay } from "../../../api/account";
import { useCheckpoints, useDeploy } from "../../../api/runResults";
import { Age } from "../../../components/Age";
import { ErrorNotice } from "../../../components/ErrorNotice";
import { shortNumber } from "../../../kit/numbers";

/** The checkpoints that are still there, each a model that can be served. */
export function Checkpoints({ run }: { run: Run }) {
  const may = useMay();
  const checkpoints = useCheckpoints(run.id, run.status === "running" ? (run.progress.step ?? 0) : run.last_sequence);
  const deploy = useDeploy();
  if (checkpoints.error) return <ErrorNotice error={checkpoints.error} onRetry={checkpoints.refetch} />;
  if (!checkpoints.data?.length)
    return (
      <Text fz="sm">
        <Trans>There are none at the moment.</Trans>
      </Text>
    );
  return (
    <Stack gap="xs">
      {deploy.error && <ErrorNotice error={deploy.error} />}
      {deploy.data && (
        <Alert color="green" role="status">
          <Trans>{deploy.data.model} is being loaded.</Trans>
        </Alert>
      )}
      <Table.ScrollContainer minWidth={560}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>
                <Trans>Step</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Saved</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Loss</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Path</Trans>
              </Table.Th>
              <Table.Th />
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {checkpoints.data.map(({ step, at, path, metrics, evaluation }) => (
              <Table.Tr key={step}>
                <Table.Td>{step}</Table.Td>
                <Table.Td>
                  <Age at={new Date(at * 1000).toISOString()} />
                </Table.Td>
                <Table.Td>
                  {[metrics["loss"], evaluation["loss"]].map((loss) => (loss == null ? "–" : shortNumber(loss))).join(" / ")}
                </Table.Td>
                <Table.Td>
                  <Code style={{ overflowWrap: "anywhere" }}>{path}</Code>
                </Table.Td>
                <Table.Td>
                  <Group gap="xs" wrap="nowrap" justify="end">
                    {may("models:use") && (
                      <Button component={Link} to="/playground" search={{ model: path } as never} size="compact-sm" variant="default">
                        <Trans>Try it</Trans>
                      </Button>
                    )}
                    {may("deployments:write") && (
                      <Button size="compact-sm" variant="default" loading={deploy.isPending} onClick={() => deploy.mutate(path)}>
                        <Trans>Deploy</Trans>
                      </Button>
                    )}
                  </Group>
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}
