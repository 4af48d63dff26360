import { Trans, useLingui } from "@lingui/react/macro";
import { Autocomplete, Stack, type AutocompleteProps } from "@mantine/core";
import { useMay } from "../../api/account";
import { useDatasets } from "../../api/datasets";
import { useUpload } from "../../api/uploads";
import { ErrorNotice } from "../../components/ErrorNotice";
import { FileDrop } from "../../components/FileDrop";
import { UploadList } from "../../components/UploadList";
import { textOfValue } from "../../kit/settings";
import { DataCheck } from "./DataCheck";

interface DataFieldProps {
  value: unknown;
  recipe: string;
  onChange: (value: unknown) => void;
  shared: Pick<AutocompleteProps, "label" | "description" | "inputWrapperOrder" | "error" | "required" | "withAsterisk">;
}

/** Data to train on: a dataset that is stored, a path at the server, or a file that is dropped here. */
export function DataField({ value, recipe, onChange, shared }: DataFieldProps) {
  const { t } = useLingui();
  const datasets = useDatasets(undefined);
  const upload = useUpload();
  const known = datasets.data?.pages.flatMap((page) => page.datasets) ?? [];
  const mayUpload = useMay()("datasets:write");
  const path = textOfValue(value);
  const isTraining = shared.label === "dataset_path";
  return (
    <Stack gap="xs">
      <Autocomplete
        {...shared}
        data={known.map((dataset) => `dataset:${dataset.name}`)}
        value={path}
        placeholder={t`a dataset, or a path at the server`}
        onChange={(text) => onChange(text === "" ? undefined : text)}
      />
      {isTraining && mayUpload && (
        <FileDrop
          onFiles={([file]) => {
            if (file === undefined) return;
            const stop = new AbortController();
            upload.mutate({ file, stop }, { onSuccess: (dataset) => onChange(dataset.newest.reference) });
          }}
        >
          <Trans>Drop a file here, and it becomes a dataset</Trans>
        </FileDrop>
      )}
      {isTraining && upload.isPending && <UploadList />}
      {isTraining && upload.error && <ErrorNotice error={upload.error} />}
      {path !== "" && <DataCheck path={path} recipe={recipe} />}
    </Stack>
  );
}
