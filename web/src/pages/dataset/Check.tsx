import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Button, Group, Loader, Select, Stack, Text, TextInput } from "@mantine/core";
import { IconAlertTriangle, IconCheck } from "@tabler/icons-react";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useState } from "react";
import { useCheck, useRecipes, type DatasetVersion } from "../../api/datasets";
import { ErrorNotice } from "../../components/ErrorNotice";
import { Findings } from "./Findings";

const SEEN_RECIPES = ["sft", "dpo", "cpt", "reward", "kto", "grpo"];

/** Whether a run may train on the version, and what is wrong with which line. */
export function Check({ version }: { version: DatasetVersion }) {
  const { t, i18n } = useLingui();
  const { recipe = "sft", model } = useSearch({ from: "/datasets/$datasetId" });
  const navigate = useNavigate({ from: "/datasets/$datasetId" });
  const recipes = useRecipes();
  const check = useCheck(version.reference, recipe, model);
  const known = recipes.data?.filter(({ name }) => SEEN_RECIPES.includes(name)) ?? [{ name: recipe, title: recipe }];
  return (
    <Stack>
      <Group align="end">
        <Select
          label={t`Recipe`}
          allowDeselect={false}
          data={known.map(({ name, title }) => ({ value: name, label: `${name}: ${title}` }))}
          value={recipe}
          onChange={(next) => next && navigate({ search: (before) => ({ ...before, recipe: next }) })}
          w={320}
          maw="100%"
        />
        <ModelField key={model} initial={model ?? ""} />
      </Group>
      {check.isPending && <Loader />}
      {check.error && <ErrorNotice error={check.error} onRetry={check.refetch} />}
      {check.data && (
        <>
          {check.data.ok ? (
            <Alert color="green" icon={<IconCheck aria-hidden />}>
              <Trans>
                A run of {recipe} may train on it. Rows that are learned from: {i18n.number(check.data.trainable)} of{" "}
                {i18n.number(check.data.rows)}.
              </Trans>
            </Alert>
          ) : (
            <Alert color="red" icon={<IconAlertTriangle aria-hidden />}>
              {check.data.refusal || check.data.misfit}
            </Alert>
          )}
          <Findings check={check.data} />
        </>
      )}
      <Text fz="sm">
        <Trans>Of each kind of fault the first twenty rows are named, and all are counted.</Trans>
      </Text>
    </Stack>
  );
}

function ModelField({ initial }: { initial: string }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: "/datasets/$datasetId" });
  const [text, setText] = useState(initial);
  return (
    <Group
      component="form"
      align="end"
      onSubmit={(event: React.FormEvent) => {
        event.preventDefault();
        void navigate({ search: ({ model: _, ...rest }) => (text ? { ...rest, model: text } : rest) });
      }}
    >
      <TextInput
        label={t`Model, to count its tokens`}
        placeholder="finery/tiny-llama"
        value={text}
        onChange={(event) => setText(event.currentTarget.value.trim())}
        w={280}
        maw="100%"
      />
      <Button type="submit" variant="default">
        <Trans>Check</Trans>
      </Button>
    </Group>
  );
}
