import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { Button, Fieldset, Grid, Paper, Stack, Tabs } from "@mantine/core";
import { IconPlayerPlay } from "@tabler/icons-react";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import type { Recipe } from "../../api/submissions";
import { ErrorNotice } from "../../components/ErrorNotice";
import { CodePanel, YamlPanel } from "./CodePanel";
import { PreviewPanel } from "./PreviewPanel";
import { curlOf, pythonOf } from "./request";
import { RunOptions } from "./RunOptions";
import { SettingsForm } from "./SettingsForm";
import type { DraftState } from "./useDraft";
import { useSubmission } from "./useSubmission";

/** The form, and beside it what would come of it, and the same as text. */
export function DraftForm({ recipe, state, may }: { recipe: Recipe; state: DraftState; may: boolean }) {
  const { t } = useLingui();
  const navigate = useNavigate();
  const { draft, change } = state;
  const submission = useSubmission({
    draft,
    recipe,
    missing: t`It is needed to start.`,
    onDone: ({ kind, id }) => navigate({ to: kind === "run" ? `/runs/${id}` : `/sweeps/${id}` }),
  });
  const [isFaulty, setFaulty] = useState(false);
  const { isSweep, errors } = submission;
  const count = submission.preview?.run_count ?? 0;
  return (
    // No form element: Enter in one of so many fields must not start a training.
    <Grid gap="lg">
      <Grid.Col span={{ base: 12, md: 7 }}>
        <Stack>
          {/* What is typed as YAML would undo what is filled in here meanwhile. */}
          <Fieldset variant="unstyled" disabled={isFaulty}>
            <SettingsForm recipe={recipe} state={state} errors={errors} />
          </Fieldset>
          <RunOptions state={state} isSweep={isSweep} errors={errors} />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, md: 5 }}>
        <Paper withBorder p="md" pos="sticky" top={68}>
          <Tabs defaultValue="preview" keepMounted={false}>
            <Tabs.List mb="sm">
              <Tabs.Tab value="preview">{t`Preview`}</Tabs.Tab>
              <Tabs.Tab value="yaml">YAML</Tabs.Tab>
              <Tabs.Tab value="curl">curl</Tabs.Tab>
              <Tabs.Tab value="python">Python</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="preview">
              <PreviewPanel
                preview={submission.preview}
                isStale={submission.isStale}
                elsewhere={submission.elsewhere}
                isComplete={submission.isComplete}
              />
            </Tabs.Panel>
            <Tabs.Panel value="yaml">
              <YamlPanel config={draft.config} onChange={(config) => change({ config })} onFault={setFaulty} />
            </Tabs.Panel>
            <Tabs.Panel value="curl">
              <CodePanel text={curlOf(draft, isSweep)} label="curl" />
            </Tabs.Panel>
            <Tabs.Panel value="python">
              <CodePanel text={pythonOf(draft, isSweep)} label="Python" />
            </Tabs.Panel>
          </Tabs>
          {submission.error && <ErrorNotice error={submission.error} />}
          <Button
            onClick={submission.send}
            fullWidth
            mt="md"
            leftSection={<IconPlayerPlay size={16} aria-hidden />}
            loading={submission.isSending}
            disabled={!may}
          >
            {isSweep && count > 1 ? <Plural value={count} one="Start # run" other="Start # runs" /> : <Trans>Start</Trans>}
          </Button>
        </Paper>
      </Grid.Col>
    </Grid>
  );
}
