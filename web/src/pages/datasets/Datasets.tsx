import { Trans, useLingui } from "@lingui/react/macro";
import { Loader, Stack, Text, TextInput, Title } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useMe } from "../../api/account";
import { useDatasets } from "../../api/datasets";
import { useUpload } from "../../api/uploads";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FileDrop } from "../../components/FileDrop";
import { UploadList } from "../../components/UploadList";
import { VirtualList } from "../../components/VirtualList";
import { DatasetItem } from "./DatasetItem";

/** The datasets that one may see, newest first, and the way to add one. */
export function Datasets() {
  const { t } = useLingui();
  const { search } = useSearch({ from: "/datasets" });
  const list = useDatasets(search);
  const me = useMe();
  const upload = useUpload();
  const found = list.data?.pages.flatMap((page) => page.datasets) ?? [];
  const readOn = (_: number, last: number) => {
    if (last >= found.length - 20 && list.hasNextPage && !list.isFetchingNextPage) void list.fetchNextPage();
  };
  return (
    <Stack>
      <Title order={1}>
        <Trans>Datasets</Trans>
      </Title>
      {me.data?.permissions.includes("datasets:write") && (
        <>
          <FileDrop
            multiple
            onFiles={(files) => files.forEach((file) => upload.mutate({ file, stop: new AbortController() }))}
          >
            <Trans>
              Drop files here: JSON Lines, JSON, CSV or Parquet, also gzipped. A file of the same name becomes the next
              version.
            </Trans>
          </FileDrop>
          <UploadList />
        </>
      )}
      <SearchField initial={search ?? ""} />
      {list.error && <ErrorNotice error={list.error} onRetry={() => list.refetch()} />}
      {list.isPending && <Loader />}
      {list.isSuccess && found.length === 0 && (
        <Text>
          {search ? <Trans>No dataset has this in its name.</Trans> : <Trans>There is no dataset here yet.</Trans>}
        </Text>
      )}
      {found.length > 0 && (
        <VirtualList label={t`Datasets`} count={found.length} height={72} onShown={readOn}>
          {(index) => {
            const dataset = found[index];
            return dataset && <DatasetItem dataset={dataset} />;
          }}
        </VirtualList>
      )}
    </Stack>
  );
}

function SearchField({ initial }: { initial: string }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: "/datasets" });
  const [text, setText] = useState(initial);
  const ask = useDebouncedCallback(
    (search: string) => navigate({ replace: true, search: search ? { search } : {} }),
    300,
  );
  return (
    <TextInput
      type="search"
      label={t`Search by name`}
      maw={360}
      value={text}
      onChange={(event) => {
        setText(event.currentTarget.value);
        ask(event.currentTarget.value.trim());
      }}
    />
  );
}
