import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, MultiSelect, Popover, Select, Stack, TextInput } from "@mantine/core";
import { IconFilter } from "@tabler/icons-react";
import type { RunStatus } from "../../api/client";
import { useRecipeNames } from "../../api/runList";
import { TypedFilter } from "../../components/TypedFilter";
import { RUN_STATUSES, STATUS_WORDS } from "../../kit/status";
import { useRunsView } from "./useRunsView";

const FURTHER = ["label", "id", "owner", "after", "before"] as const;

/** What the list is restricted to. `owners`: the users to choose from, for those who may see them. */
export function Filters({ owners }: { owners: string[] }) {
  const { t, i18n } = useLingui();
  const { search, change, show } = useRunsView();
  const recipes = useRecipeNames();
  const further = FURTHER.filter((key) => search[key] !== undefined).length;
  const { columns, selected, sort, direction, ...restricting } = search;
  return (
    <Group align="end" gap="xs">
      <TypedFilter label={t`Name`} placeholder={t`a part of it`} value={search.name} onType={(name) => change({ name })} />
      <MultiSelect
        label={t`State`}
        placeholder={search.status ? "" : t`all`}
        miw={160}
        clearable
        clearButtonProps={{ "aria-label": t`Show all states` }}
        data={RUN_STATUSES.map((status) => ({ value: status, label: i18n._(STATUS_WORDS[status]) }))}
        value={search.status ?? []}
        onChange={(status) => change({ status: status as RunStatus[] })}
      />
      <Select
        label={t`Recipe`}
        placeholder={t`all`}
        w={150}
        clearable
        clearButtonProps={{ "aria-label": t`Show all recipes` }}
        data={search.recipe && !recipes.includes(search.recipe) ? [search.recipe, ...recipes] : recipes}
        value={search.recipe ?? null}
        onChange={(recipe) => change({ recipe: recipe ?? undefined })}
      />
      <Popover position="bottom-start" shadow="md" trapFocus>
        <Popover.Target>
          <Button variant="default" leftSection={<IconFilter size={16} aria-hidden />}>
            {further > 0 ? <Trans>More filters ({further})</Trans> : <Trans>More filters</Trans>}
          </Button>
        </Popover.Target>
        <Popover.Dropdown>
          <FurtherFilters owners={owners} />
        </Popover.Dropdown>
      </Popover>
      {Object.keys(restricting).length > 0 && (
        <Button
          variant="subtle"
          onClick={() =>
            show({ ...(columns && { columns }), ...(selected && { selected }), ...(sort && { sort }), ...(direction && { direction }) })
          }
        >
          <Trans>Show all</Trans>
        </Button>
      )}
    </Group>
  );
}

function FurtherFilters({ owners }: { owners: string[] }) {
  const { t } = useLingui();
  const { search, change } = useRunsView();
  return (
    <Stack gap="xs">
      <TypedFilter label={t`Label`} placeholder="team=search" value={search.label} onType={(label) => change({ label })} />
      <TypedFilter label={t`Beginning of the id`} value={search.id} onType={(id) => change({ id })} />
      {owners.length > 0 && (
        <Select
          label={t`Owner`}
          placeholder={t`all`}
          clearable
          searchable
          clearButtonProps={{ "aria-label": t`Show all owners` }}
          data={owners}
          value={search.owner ?? null}
          onChange={(owner) => change({ owner: owner ?? undefined })}
          comboboxProps={{ withinPortal: false }}
        />
      )}
      <TextInput
        type="date"
        label={t`Created on or after`}
        value={search.after ?? ""}
        onChange={(event) => change({ after: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        label={t`Created on or before`}
        value={search.before ?? ""}
        onChange={(event) => change({ before: event.currentTarget.value })}
      />
    </Stack>
  );
}
