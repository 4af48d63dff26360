import { Trans } from "@lingui/react/macro";
import { Anchor, Badge, Table, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { DeviceUse } from "../api/queue";
import type { Schemas } from "../api/client";
import { sizeOf } from "../kit/sizes";

type Holder = DeviceUse["holders"][number];

/** Each device, its memory where it has its own, and who holds it. */
export function DeviceUses({ devices, system }: { devices: DeviceUse[]; system: Schemas["System"] | undefined }) {
  return (
    <Table.ScrollContainer minWidth={320}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>Device</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Held by</Trans>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {devices.map((use) => (
            <Table.Tr key={use.device}>
              <Table.Td>
                <DeviceName device={use.device} system={system} />
              </Table.Td>
              <Table.Td>
                {use.holders.length === 0 ? (
                  <Badge color="green" variant="light" tt="none" miw="max-content">
                    <Trans>free</Trans>
                  </Badge>
                ) : (
                  use.holders.map((holder, index) => <HolderName key={holder.id ?? index} holder={holder} />)
                )}
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function DeviceName({ device, system }: { device: string; system: Schemas["System"] | undefined }) {
  const [kind, index] = device.split(":");
  if (kind === "ram") return <Trans>Memory for models that are served</Trans>;
  if (kind === "cpu") return <Trans>CPU slot {index}</Trans>;
  const gpu = system?.gpus.find((each) => String(each.index) === index);
  return (
    <>
      GPU {index}
      {gpu && (
        <Text fz="sm">
          {gpu.name} ·{" "}
          <Trans>
            {sizeOf(gpu.memory_free_bytes)} of {sizeOf(gpu.memory_total_bytes)} free
          </Trans>
        </Text>
      )}
    </>
  );
}

function HolderName({ holder }: { holder: Holder }) {
  if (holder.id === null) return <Text fz="sm">{<Trans>somebody else</Trans>}</Text>;
  if (holder.kind === "run")
    return (
      <Text fz="sm">
        <Anchor component={Link} to={`/runs/${holder.id}`} inherit>
          {holder.name ?? holder.id}
        </Anchor>
      </Text>
    );
  return (
    <Text fz="sm">
      <Trans>the model {holder.name}</Trans>
    </Text>
  );
}
