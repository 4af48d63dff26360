import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Card, FileButton, Group, Progress, Stack, Text } from "@mantine/core";
import {
  uploadOf,
  useDiscardUpload,
  useSending,
  useUpload,
  useUploadFailures,
  useWaitingUploads,
  type Upload,
  type UploadRequest,
  type UploadTarget,
} from "../api/uploads";
import { sizeOf } from "../kit/sizes";
import { ErrorNotice } from "./ErrorNotice";

/**
 * The uploads that are not complete: those that are sent, and those that were interrupted. `target`: what becomes of a
 * file that is chosen again here.
 */
export function UploadList({ target = {} }: { target?: UploadTarget }) {
  const waiting = useWaitingUploads();
  const sending = useSending();
  const failures = useUploadFailures();
  return (
    <Stack gap="xs">
      {failures.map((failure, place) => (
        <ErrorNotice key={place} error={failure} />
      ))}
      {waiting.data?.map((upload) => (
        <UploadItem
          key={upload.id}
          upload={upload}
          request={sending.find((each) => uploadOf(each, [upload]))}
          target={target}
        />
      ))}
    </Stack>
  );
}

interface UploadItemProps {
  upload: Upload;
  request: UploadRequest | undefined;
  target: UploadTarget;
}

function UploadItem({ upload, request, target }: UploadItemProps) {
  const { t } = useLingui();
  const percent = Math.floor((100 * upload.received_bytes) / upload.size_bytes);
  return (
    <Card withBorder padding="sm">
      <Group justify="space-between" align="start">
        <div>
          <Text fw={600} style={{ overflowWrap: "anywhere" }}>
            {upload.filename}
          </Text>
          <Text fz="sm">
            {percent} % · {sizeOf(upload.received_bytes)} / {sizeOf(upload.size_bytes)}
          </Text>
        </div>
        {request ? (
          <Button size="xs" variant="default" onClick={() => request.stop.abort()}>
            <Trans>Stop sending</Trans>
          </Button>
        ) : (
          <GoOn upload={upload} target={target} />
        )}
      </Group>
      <Progress mt="xs" value={percent} animated={request !== undefined} aria-label={t`Uploaded`} />
      {!request && (
        <Text fz="sm" mt="xs">
          <Trans>It was interrupted. Choose the same file again, and it goes on where it was.</Trans>
        </Text>
      )}
    </Card>
  );
}

function GoOn({ upload, target }: { upload: Upload; target: UploadTarget }) {
  const send = useUpload();
  const discard = useDiscardUpload();
  return (
    <Group gap="xs">
      {discard.error && <ErrorNotice error={discard.error} />}
      <FileButton
        onChange={(file) =>
          file && send.mutate({ ...target, file, uploadId: upload.id, stop: new AbortController() })
        }
      >
        {(props) => (
          <Button {...props} size="xs">
            <Trans>Choose the file again</Trans>
          </Button>
        )}
      </FileButton>
      <Button size="xs" variant="default" onClick={() => discard.mutate(upload.id)}>
        <Trans>Discard</Trans>
      </Button>
    </Group>
  );
}
