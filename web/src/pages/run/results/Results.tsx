import { Trans } from "@lingui/react/macro";
import { Anchor, Code, Stack, Table, Text, Title } from "@mantine/core";
import type { Run } from "../../../api/client";
import { artifactAddress, useArtifacts } from "../../../api/runResults";
import { ErrorNotice } from "../../../components/ErrorNotice";
import { sizeOf } from "../../../kit/sizes";
import { Checkpoints } from "./Checkpoints";

/** What the run has made: its model with ways to use it, checkpoints and files. */
export function Results({ run }: { run: Run }) {
  return (
    <Stack gap="lg">
      <Stack gap="xs" component="section">
        <Title order={2} fz="h4">
          <Trans>Checkpoints</Trans>
        </Title>
        <Checkpoints run={run} />
      </Stack>
      <Stack gap="xs" component="section">
        <Title order={2} fz="h4">
          <Trans>Files</Trans>
        </Title>
        <Files run={run} />
      </Stack>
    </Stack>
  );
}

function Files({ run }: { run: Run }) {
  const artifacts = useArtifacts(run.id, run.status);
  if (artifacts.error) return <ErrorNotice error={artifacts.error} onRetry={artifacts.refetch} />;
  if (!artifacts.data?.length)
    return (
      <Text fz="sm">
        <Trans>There are none; a run has them once it has succeeded.</Trans>
      </Text>
    );
  return (
    <Table.ScrollContainer minWidth={560}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>Name</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Kind</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Size</Trans>
            </Table.Th>
            <Table.Th>SHA-256</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {artifacts.data.map((artifact) => (
            <Table.Tr key={artifact.id}>
              <Table.Td>
                <Anchor href={artifactAddress(artifact)} fz="sm">
                  {artifact.name}
                </Anchor>
              </Table.Td>
              <Table.Td>{artifact.type}</Table.Td>
              <Table.Td>{sizeOf(artifact.size_bytes)}</Table.Td>
              <Table.Td>
                <Code>{artifact.sha256?.slice(0, 16) ?? "–"}</Code>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
