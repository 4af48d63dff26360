import { Trans, useLingui } from "@lingui/react/macro";
import { Slider, Stack, Text } from "@mantine/core";

interface SmoothingSliderProps {
  /** The share of the past in a smoothed line, 0 to below 1. */
  value: number;
  /** Gets undefined where nothing is smoothed. */
  onChange: (value: number | undefined) => void;
  width: number;
}

/** Chooses how smooth curves are drawn. */
export function SmoothingSlider({ value, onChange, width }: SmoothingSliderProps) {
  const { t } = useLingui();
  return (
    <Stack gap={2} w={width}>
      <Text fz="sm" fw={600} id="smoothing">
        <Trans>Smoothing</Trans>
      </Text>
      <Slider
        aria-labelledby="smoothing"
        thumbLabel={t`Smoothing`}
        min={0}
        max={0.99}
        step={0.01}
        my={10}
        value={value}
        onChange={(chosen) => onChange(chosen > 0 ? chosen : undefined)}
      />
    </Stack>
  );
}
