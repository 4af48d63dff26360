import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, SegmentedControl, Stack, Switch, Text } from "@mantine/core";
import type { RunCurves } from "../../../api/runCurves";
import { SmoothingSlider } from "../../../components/SmoothingSlider";
import { csvOf, saveText } from "./files";
import { useCurveSearch } from "./useCurveSearch";

/** How the curves are drawn: over what, how smooth, which range; and the ways to take them away. */
export function CurveControls({ runId, curves }: { runId: string; curves: RunCurves }) {
  const { t } = useLingui();
  const { look, range, isTable, change } = useCurveSearch();
  return (
    <Group align="end" gap="lg">
      <Stack gap={2}>
        <Text fz="sm" fw={600} id="axis">
          <Trans>Drawn over</Trans>
        </Text>
        <SegmentedControl
          aria-labelledby="axis"
          data={[
            { value: "step", label: t`Step` },
            ...(curves.has("tokens") ? [{ value: "tokens", label: t`Tokens` }] : []),
            { value: "time", label: t`Time` },
          ]}
          value={look.x}
          onChange={(value) => change({ x: value === "step" ? undefined : value })}
        />
      </Stack>
      <SmoothingSlider value={look.smoothing} width={180} onChange={(value) => change({ smoothing: value })} />
      <Group gap="md" my={8}>
        <Switch
          label={t`Logarithmic`}
          checked={look.log}
          onChange={({ currentTarget }) => change({ log: currentTarget.checked })}
        />
        <Switch
          label={t`Without outliers`}
          checked={look.robust}
          onChange={({ currentTarget }) => change({ robust: currentTarget.checked })}
        />
        <Switch
          label={t`As a table`}
          checked={isTable}
          onChange={({ currentTarget }) => change({ table: currentTarget.checked })}
        />
      </Group>
      <Group gap="xs">
        {range && (
          <Button size="xs" variant="light" onClick={() => change({ from: undefined, to: undefined })}>
            <Trans>
              Steps {range.from} to {range.to}: show all
            </Trans>
          </Button>
        )}
        <Button size="xs" variant="default" onClick={() => saveText(`${runId}.csv`, csvOf(curves))}>
          <Trans>Save as CSV</Trans>
        </Button>
      </Group>
    </Group>
  );
}
