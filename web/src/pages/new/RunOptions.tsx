import { Trans, useLingui } from "@lingui/react/macro";
import { Checkbox, Fieldset, Group, NumberInput, Select, TextInput } from "@mantine/core";
import { useSystem } from "../../api/runs";
import type { Goal } from "../../api/sweeps";
import type { DraftState } from "./useDraft";

const MOST_PRIORITY = 1000;

/** What is said of the run beside its settings: name, devices, place in the queue, who sees it; of a sweep, its best. */
export function RunOptions({ state, isSweep, errors }: { state: DraftState; isSweep: boolean; errors: ReadonlyMap<string, string> }) {
  const { t } = useLingui();
  const { draft, change } = state;
  const gpus = useSystem().data?.gpus.length ?? 0;
  return (
    <Fieldset legend={isSweep ? t`The sweep` : t`The run`}>
      <Group align="start" grow preventGrowOverflow={false}>
        <TextInput
          label={t`Name`}
          description={isSweep ? t`What differs is added to it.` : t`To tell runs apart.`}
          maxLength={200}
          miw={180}
          value={draft.name}
          error={errors.get("name")}
          onChange={(event) => change({ name: event.currentTarget.value })}
        />
        <NumberInput
          label={t`Priority`}
          description={t`Higher ones start earlier.`}
          min={-MOST_PRIORITY}
          max={MOST_PRIORITY}
          allowDecimal={false}
          miw={140}
          value={draft.priority}
          onChange={(value) => change({ priority: typeof value === "number" ? value : 0 })}
        />
        {gpus > 0 && (
          <NumberInput
            label={t`GPUs`}
            description={t`Default: one.`}
            min={0}
            max={gpus}
            allowDecimal={false}
            miw={120}
            value={draft.gpus ?? ""}
            error={errors.get("resources")}
            onChange={(value) => change({ gpus: typeof value === "number" ? value : null })}
          />
        )}
        {isSweep && (
          <>
            <TextInput
              label={t`The best by`}
              description={t`A metric, as eval_loss; default: the evaluation's loss.`}
              miw={180}
              value={draft.metric}
              error={errors.get("metric")}
              onChange={(event) => change({ metric: event.currentTarget.value })}
            />
            <Select
              label={t`Best is`}
              description={t`Default: by the metric's name.`}
              clearable
              clearButtonProps={{ "aria-label": t`Back to the default` }}
              miw={150}
              data={[
                { value: "min", label: t`the smallest` },
                { value: "max", label: t`the largest` },
              ]}
              value={draft.goal}
              onChange={(goal) => change({ goal: goal as Goal | null })}
            />
          </>
        )}
      </Group>
      <Checkbox
        mt="sm"
        label={<Trans>Everybody who has an account may see it, and use its model</Trans>}
        checked={draft.shared}
        onChange={(event) => change({ shared: event.currentTarget.checked })}
      />
    </Fieldset>
  );
}
