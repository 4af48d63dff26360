import { Trans } from "@lingui/react/macro";
import { Card, Group, Loader, ScrollArea, Stack, Text } from "@mantine/core";
import { useSamples, type Sample } from "../../../api/runResults";
import { ErrorNotice } from "../../../components/ErrorNotice";
import { shortNumber } from "../../../kit/numbers";
import classes from "./Samples.module.css";

/** What the model answered as it learned: each prompt with its answers side by side, by step. */
export function Samples({ runId }: { runId: string }) {
  const samples = useSamples(runId);
  if (samples.error) return <ErrorNotice error={samples.error} onRetry={samples.refetch} />;
  if (samples.data === undefined) return <Loader />;
  if (samples.data.length === 0)
    return (
      <Text>
        <Trans>This run has told no samples yet.</Trans>
      </Text>
    );
  return (
    <Stack>
      {byPrompt(samples.data).map(([prompt, answers]) => (
        <Card key={prompt} withBorder padding="sm">
          <Text fw={600} className={classes["text"]}>
            {prompt}
          </Text>
          <ScrollArea type="auto" viewportProps={{ tabIndex: 0 }}>
            <Group wrap="nowrap" align="stretch" pb="sm">
              {answers.map((answer) => (
                <Answer key={answer.sequence} sample={answer} />
              ))}
            </Group>
          </ScrollArea>
        </Card>
      ))}
    </Stack>
  );
}

function Answer({ sample: { data } }: { sample: Sample }) {
  return (
    <Stack gap={2} className={classes["answer"]}>
      <Text fz="sm">
        <Trans>Step {data.step ?? "–"}</Trans>
        {data.reward != null && ` · reward ${shortNumber(data.reward)}`}
      </Text>
      <Text className={classes["text"]}>{data.text}</Text>
    </Stack>
  );
}

function byPrompt(samples: readonly Sample[]): [string, Sample[]][] {
  const prompts = new Map<string, Sample[]>();
  for (const sample of samples) {
    const prompt = sample.data.prompt ?? "–";
    prompts.set(prompt, [...(prompts.get(prompt) ?? []), sample]);
  }
  return [...prompts];
}
