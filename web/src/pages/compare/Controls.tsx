import { Trans, useLingui } from "@lingui/react/macro";
import { Group, SegmentedControl, Select, Stack, Text } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { ComparedRun } from "../../api/comparedRuns";
import { SmoothingSlider } from "../../components/SmoothingSlider";
import { allKeys, differingKeys } from "../../kit/comparison";
import type { CompareSearch } from "./search";

/** How the curves are drawn: over what, how smooth, and by which setting runs are put together. */
export function Controls({ compared }: { compared: ComparedRun[] }) {
  const { t } = useLingui();
  const { x = "step", smoothing = 0, group } = useSearch({ from: "/compare" });
  const navigate = useNavigate({ from: "/compare" });
  const change = (key: "x" | "smoothing" | "group", value: string | number | undefined) =>
    void navigate({
      replace: true,
      search: ({ [key]: _, ...rest }) => (value === undefined ? rest : { ...rest, [key]: value }) as CompareSearch,
    });
  const configs = compared.map((one) => one.run.config);
  const differing = differingKeys(configs);
  const same = allKeys(configs).filter((key) => !differing.includes(key));
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
            { value: "time", label: t`Time since the first step` },
          ]}
          value={x}
          onChange={(value) => change("x", value === "time" ? value : undefined)}
        />
      </Stack>
      <Select
        label={t`Group by`}
        placeholder={t`each run alone`}
        searchable
        clearable
        clearButtonProps={{ "aria-label": t`Show each run alone` }}
        data={[
          { group: t`Differing settings`, items: differing },
          { group: t`Other settings`, items: same },
        ]}
        value={group ?? null}
        onChange={(value) => change("group", value ?? undefined)}
      />
      <SmoothingSlider value={smoothing} width={220} onChange={(value) => change("smoothing", value)} />
    </Group>
  );
}
