import { Plural, Trans } from "@lingui/react/macro";
import { Card, Progress, SimpleGrid, Text } from "@mantine/core";
import type { Schemas } from "../../api/client";
import { sizeOf } from "../../kit/sizes";

/** The GPUs with their memory, and the machine's processors and memory. */
export function Devices({ system }: { system: Schemas["System"] }) {
  return (
    <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
      {system.gpus.map((gpu) => (
        <Memory
          key={gpu.uuid}
          title={`GPU ${gpu.index}: ${gpu.name}`}
          free={gpu.memory_free_bytes}
          total={gpu.memory_total_bytes}
        />
      ))}
      <Memory
        title={
          <>
            <Plural value={system.cpu_count} one="# processor" other="# processors" />
            {", "}
            <Plural value={system.cpu_slots} one="# run at a time" other="# runs at a time" />
          </>
        }
        free={system.memory_available_bytes}
        total={system.memory_total_bytes}
      />
    </SimpleGrid>
  );
}

function Memory({ title, free, total }: { title: React.ReactNode; free: number; total: number }) {
  return (
    <Card withBorder padding="sm">
      <Text fw={600} fz="sm">
        {title}
      </Text>
      <Progress my="xs" value={total > 0 ? (100 * (total - free)) / total : 0} aria-hidden />
      <Text fz="sm">
        <Trans>
          {sizeOf(free)} of {sizeOf(total)} free
        </Trans>
      </Text>
    </Card>
  );
}
