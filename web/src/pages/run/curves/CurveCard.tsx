import { useLingui } from "@lingui/react/macro";
import { ActionIcon, Card, Group, Title, Tooltip } from "@mantine/core";
import { IconPhotoDown } from "@tabler/icons-react";
import { useRef } from "react";
import type uPlot from "uplot";
import type { RunCurves } from "../../../api/runCurves";
import { Curve } from "../../../components/Curve";
import { saveCanvas } from "./files";
import { useCurveSearch } from "./useCurveSearch";

/** One metric with its name; what is marked on it becomes the range of all. */
export function CurveCard({ name, curves }: { name: string; curves: RunCurves }) {
  const { t } = useLingui();
  const { look, change } = useCurveSearch();
  const plot = useRef<uPlot | null>(null);
  const save = () => plot.current && saveCanvas(`${name.replaceAll("/", "-")}.png`, plot.current.ctx.canvas);
  return (
    <Card withBorder padding="sm">
      <Group justify="space-between" wrap="nowrap">
        <Title order={3} fz="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
          {name}
        </Title>
        <Tooltip label={t`Save as a picture`}>
          <ActionIcon variant="subtle" color="gray" aria-label={t`Save ${name} as a picture`} onClick={save}>
            <IconPhotoDown size={16} aria-hidden />
          </ActionIcon>
        </Tooltip>
      </Group>
      <Curve name={name} curves={curves} look={look} plotRef={plot} onZoom={(from, to) => change({ from, to })} />
    </Card>
  );
}
