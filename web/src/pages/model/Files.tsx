import { Trans } from "@lingui/react/macro";
import { Anchor, Loader, Stack, Table, Text, Title } from "@mantine/core";
import type { Schemas } from "../../api/client";
import { artifactAddress, useArtifacts, useFilesOf } from "../../api/models";
import { ErrorNotice } from "../../components/ErrorNotice";
import { sizeOf } from "../../kit/sizes";

/** The files of the model, each of which can be saved. */
export function Files({ runId }: { runId: string }) {
  const artifacts = useArtifacts(runId);
  if (artifacts.error) return <ErrorNotice error={artifacts.error} onRetry={artifacts.refetch} />;
  if (artifacts.data === undefined) return <Loader />;
  if (artifacts.data.length === 0) return null;
  return (
    <Stack gap="xs" component="section">
      <Title order={2} fz="h4">
        <Trans>Files</Trans>
      </Title>
      {artifacts.data.map((artifact) => (
        <ArtifactFiles key={artifact.id} artifact={artifact} />
      ))}
    </Stack>
  );
}

function ArtifactFiles({ artifact }: { artifact: Schemas["Artifact"] }) {
  const files = useFilesOf(artifact);
  if (files.error) return <ErrorNotice error={files.error} onRetry={files.refetch} />;
  const shown = artifact.type === "file" ? [{ path: undefined, size_bytes: artifact.size_bytes }] : (files.data ?? []);
  return (
    <div>
      <Text fz="sm">
        {artifact.name} · {sizeOf(artifact.size_bytes)}
      </Text>
      <Table>
        <Table.Tbody>
          {shown.map((file) => (
            <Table.Tr key={file.path ?? artifact.name}>
              <Table.Td style={{ overflowWrap: "anywhere" }}>
                <Anchor href={artifactAddress(artifact, file.path)} download fz="sm">
                  {file.path ?? artifact.name}
                </Anchor>
              </Table.Td>
              <Table.Td style={{ whiteSpace: "nowrap", textAlign: "end" }}>{sizeOf(file.size_bytes)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </div>
  );
}
