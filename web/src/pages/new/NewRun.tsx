import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Button, Group, Loader, Select, Stack, Text, Title } from "@mantine/core";
import { IconCopy } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMe } from "../../api/account";
import { useRecipes } from "../../api/datasets";
import { useRunsByIds } from "../../api/manyRuns";
import { useRecipe } from "../../api/submissions";
import { ErrorNotice } from "../../components/ErrorNotice";
import { DraftForm } from "./DraftForm";
import { useDraft } from "./useDraft";

/** A run, or a sweep, from the choice of the recipe to its start. */
export function NewRun() {
  const { t } = useLingui();
  const search = useSearch({ from: "/new" });
  const navigate = useNavigate({ from: "/new" });
  const me = useMe();
  const origin = useRunsByIds(search.from ? [search.from] : []);
  const state = useDraft(search, origin.runs[0]);
  const beginAnew = () => {
    state.clear();
    // The run that was cloned would come again.
    void navigate({ search: {}, replace: true });
  };
  const recipes = useRecipes();
  const recipe = useRecipe(state.draft.recipe);
  const may = me.data?.permissions.includes("runs:write") ?? true;
  const runsCommands = me.data?.permissions.includes("commands:run") ?? true;
  const known = recipes.data?.filter(({ name }) => runsCommands || name !== "command") ?? [];
  return (
    <Stack maw={1500}>
      <Group justify="space-between">
        <Title order={1}>
          <Trans>New run</Trans>
        </Title>
        <Button variant="default" onClick={beginAnew}>
          <Trans>Begin anew</Trans>
        </Button>
      </Group>
      {!may && (
        <Alert color="yellow">
          <Trans>You may look at runs, but not start any. An administrator can give you the level for it.</Trans>
        </Alert>
      )}
      {search.from && origin.runs[0] && (
        <Text fz="sm">
          <IconCopy size={14} aria-hidden />{" "}
          <Trans>The settings are those of {origin.runs[0].name ?? origin.runs[0].id}; change what you like.</Trans>
        </Text>
      )}
      {origin.error && <ErrorNotice error={origin.error} />}
      <Select
        label={t`Recipe`}
        description={t`How the model is trained.`}
        allowDeselect={false}
        maw={480}
        data={known.map(({ name, title }) => ({ value: name, label: `${name}: ${title}` }))}
        value={state.draft.recipe}
        onChange={(name) => name && state.change({ recipe: name })}
      />
      {recipe.error && <ErrorNotice error={recipe.error} onRetry={recipe.refetch} />}
      {recipe.data ? <DraftForm recipe={recipe.data} state={state} may={may} /> : recipe.isPending && <Loader />}
    </Stack>
  );
}
