import { Trans, useLingui } from "@lingui/react/macro";
import { Group, Loader, Select, Stack, Text } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useDeployments, useModels } from "../../api/models";
import { ErrorNotice } from "../../components/ErrorNotice";
import { TypedFilter } from "../../components/TypedFilter";
import { VirtualList } from "../../components/VirtualList";
import { KIND_WORDS, KINDS, withoutSecondNames, type ModelKind } from "../../kit/models";
import { ModelItem } from "./ModelItem";

/** All models, by kind and a part of the name. */
export function ModelList() {
  const { t, i18n } = useLingui();
  const { kind, search = "" } = useSearch({ from: "/models" });
  const navigate = useNavigate({ from: "/models" });
  const models = useModels();
  const deployments = useDeployments();
  if (models.error) return <ErrorNotice error={models.error} onRetry={models.refetch} />;
  if (models.data === undefined) return <Loader />;
  const wanted = search.toLowerCase();
  const shown = withoutSecondNames(models.data).filter(
    (model) =>
      (kind === undefined || model.kind === kind) &&
      `${model.name} ${model.path ?? ""} ${model.base ?? ""}`.toLowerCase().includes(wanted),
  );
  return (
    <Stack>
      <Group align="end">
        <TypedFilter
          type="search"
          label={t`Search by name, path or base`}
          w={320}
          maw="100%"
          value={search}
          onType={(text) =>
            void navigate({ replace: true, search: ({ search: _, ...rest }) => (text ? { ...rest, search: text } : rest) })
          }
        />
        <Select
          label={t`Kind`}
          placeholder={t`all`}
          clearable
          clearButtonProps={{ "aria-label": t`Show all kinds` }}
          data={KINDS.map((each) => ({ value: each, label: i18n._(KIND_WORDS[each]) }))}
          value={kind ?? null}
          onChange={(next) =>
            navigate({ search: ({ kind: _, ...rest }) => (next ? { ...rest, kind: next as ModelKind } : rest) })
          }
        />
      </Group>
      {shown.length === 0 ? (
        <Text>
          <Trans>There is no such model.</Trans>
        </Text>
      ) : (
        <VirtualList label={t`Models`} count={shown.length} height={72}>
          {(index) => {
            const model = shown[index];
            return model && <ModelItem model={model} deployments={deployments.data ?? []} />;
          }}
        </VirtualList>
      )}
    </Stack>
  );
}
