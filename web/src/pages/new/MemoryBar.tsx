import { Trans, useLingui } from "@lingui/react/macro";
import { Progress, Text, Title } from "@mantine/core";
import { msg } from "@lingui/core/macro";
import type { MessageDescriptor } from "@lingui/core";
import type { Schemas } from "../../api/client";
import { sizeOf } from "../../kit/sizes";

const PARTS: Record<string, MessageDescriptor> = {
  weights: msg`weights`,
  gradients: msg`gradients`,
  optimizer: msg`optimizer`,
  activations: msg`activations`,
  logits: msg`logits`,
  reference: msg`reference model`,
  stack: msg`libraries`,
};
const COLORS = ["blue", "teal", "grape", "orange", "yellow", "pink", "gray"];
/** A smaller part has no room for its name. */
const LEAST_SHARE = 0.01;

/** The memory that a training needs, part by part, beside what there is. */
export function MemoryBar({ memory }: { memory: Schemas["MemoryForecast"] }) {
  const { i18n } = useLingui();
  const { needed_bytes: needed, available_bytes: available, batch_size: batch, fitting_batch: fitting } = memory;
  const whole = Math.max(needed, available);
  const parts = Object.entries(memory.parts).filter(([, bytes]) => bytes / whole >= LEAST_SHARE);
  const nameOf = (part: string) => (PARTS[part] ? i18n._(PARTS[part]) : part);
  return (
    <div>
      <Title order={2} fz="md">
        <Trans>Memory</Trans>
      </Title>
      <Text fz="sm">
        {memory.device === "gpu" ? (
          <Trans>
            About {sizeOf(needed)} of the {sizeOf(available)} of the largest GPU.
          </Trans>
        ) : (
          <Trans>
            About {sizeOf(needed)} of the {sizeOf(available)} of this machine.
          </Trans>
        )}{" "}
        {fitting < batch && (
          <Trans>
            A batch of {batch} does not fit; {fitting} would.
          </Trans>
        )}
      </Text>
      <Progress.Root size="lg" my={4}>
        {parts.map(([part, bytes], place) => (
          <Progress.Section
            key={part}
            value={(100 * bytes) / whole}
            color={COLORS[place % COLORS.length] ?? "gray"}
            aria-label={nameOf(part)}
          />
        ))}
      </Progress.Root>
      <Text fz="xs">{parts.map(([part, bytes]) => `${nameOf(part)} ${sizeOf(bytes)}`).join(" · ")}</Text>
    </div>
  );
}
