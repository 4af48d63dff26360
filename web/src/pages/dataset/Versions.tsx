import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, Button, Group, Loader, Stack, Table } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMayChange } from "../../api/account";
import {
  contentAddress,
  useRestoreVersion,
  useVersions,
  type Dataset,
  type DatasetVersion,
} from "../../api/datasets";
import { useUpload } from "../../api/uploads";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FileDrop } from "../../components/FileDrop";
import { UploadList } from "../../components/UploadList";
import { sizeOf } from "../../kit/sizes";
import { Difference } from "./Difference";

/** The versions, newest first, the difference of two, and the way to add one. */
export function Versions({ dataset, shown }: { dataset: Dataset; shown: number }) {
  const { t } = useLingui();
  const versions = useVersions(dataset.id);
  const mayChange = useMayChange("datasets")(dataset.owner_id);
  const upload = useUpload();
  const restore = useRestoreVersion(dataset.id);
  const { old } = useSearch({ from: "/datasets/$datasetId" });
  if (versions.error) return <ErrorNotice error={versions.error} onRetry={versions.refetch} />;
  if (versions.data === undefined) return <Loader />;
  return (
    <Stack>
      {mayChange && (
        <>
          <FileDrop
            onFiles={([file]) =>
              file && upload.mutate({ file, stop: new AbortController(), datasetId: dataset.id })
            }
          >
            <Trans>Drop a file here to add it as the next version.</Trans>
          </FileDrop>
          <UploadList target={{ datasetId: dataset.id }} />
        </>
      )}
      {restore.error && <ErrorNotice error={restore.error} />}
      <Table.ScrollContainer minWidth={640}>
        <Table aria-label={t`Versions`}>
          <Table.Tbody>
            {versions.data.map((version) => (
              <VersionRow key={version.version} version={version} isShown={version.version === shown}>
                {mayChange && version.version !== dataset.newest.version && (
                  <Button
                    size="compact-sm"
                    variant="default"
                    loading={restore.isPending && restore.variables === version.version}
                    onClick={() => restore.mutate(version.version)}
                  >
                    <Trans>Make it the newest</Trans>
                  </Button>
                )}
              </VersionRow>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
      {old !== undefined && <Difference datasetId={dataset.id} old={old} fresh={shown} />}
    </Stack>
  );
}

interface VersionRowProps {
  version: DatasetVersion;
  isShown: boolean;
  children: React.ReactNode;
}

function VersionRow({ version, isShown, children }: VersionRowProps) {
  const navigate = useNavigate({ from: "/datasets/$datasetId" });
  const number = version.version;
  return (
    <Table.Tr>
      <Table.Td fw={isShown ? 700 : 400} style={{ whiteSpace: "nowrap" }}>
        <Trans>version {number}</Trans>
      </Table.Td>
      <Table.Td>
        {version.filename}
        {version.note && ` · ${version.note}`}
      </Table.Td>
      <Table.Td>{sizeOf(version.size_bytes)}</Table.Td>
      <Table.Td>
        <Age at={version.created_at} /> · {version.created_by}
      </Table.Td>
      <Table.Td>
        <Group gap="xs">
          {!isShown && (
            <>
              <Button
                size="compact-sm"
                variant="default"
                onClick={() => navigate({ search: ({ row: _, old: __, ...rest }) => ({ ...rest, version: number }) })}
              >
                <Trans>Look at it</Trans>
              </Button>
              <Button
                size="compact-sm"
                variant="default"
                onClick={() => navigate({ search: (before) => ({ ...before, old: number }) })}
              >
                <Trans>Compare</Trans>
              </Button>
            </>
          )}
          {children}
          <Anchor fz="sm" href={contentAddress(version.dataset_id, number)} download={version.filename}>
            <Trans>Download</Trans>
          </Anchor>
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}
