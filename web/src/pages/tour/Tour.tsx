import { Trans, useLingui } from "@lingui/react/macro";
import { Stack, Stepper, Text, Title } from "@mantine/core";
import { useSearch } from "@tanstack/react-router";
import { useRun } from "../../api/runs";
import { AskStep } from "./AskStep";
import { DataStep } from "./DataStep";
import { TrainStep } from "./TrainStep";

/** From data to a model that answers, by clicks. How far one is stands in the address. */
export function Tour() {
  const { t } = useLingui();
  const { data, run } = useSearch({ from: "/tour" });
  return (
    <Stack gap="lg" maw={820}>
      <Title order={1}>
        <Trans>The tour</Trans>
      </Title>
      <Text>
        <Trans>A tiny model learns some questions and answers by heart. It takes about two minutes on a laptop's processor.</Trans>
      </Text>
      {run ? (
        <WithRun runId={run} />
      ) : (
        <Steps active={data ? 1 : 0} labels={[t`Data`, t`Training`, t`Answers`]}>
          {data ? <TrainStep data={data} /> : <DataStep />}
        </Steps>
      )}
    </Stack>
  );
}

function WithRun({ runId }: { runId: string }) {
  const { t } = useLingui();
  const run = useRun(runId);
  const isTrained = run.data?.status === "succeeded";
  return (
    <Steps active={isTrained ? 2 : 1} labels={[t`Data`, t`Training`, t`Answers`]}>
      <TrainStep runId={runId} />
      {isTrained && <AskStep runId={runId} />}
    </Steps>
  );
}

function Steps({ active, labels, children }: { active: number; labels: string[]; children: React.ReactNode }) {
  return (
    <>
      <Stepper active={active} size="sm" allowNextStepsSelect={false}>
        {labels.map((label) => (
          <Stepper.Step key={label} label={label} allowStepSelect={false} />
        ))}
      </Stepper>
      {children}
    </>
  );
}
