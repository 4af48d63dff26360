import { Plural, Trans } from "@lingui/react/macro";
import { Anchor, List, Text } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { Queue } from "../../api/queue";

const SHOWN = 5;

/** The first of the queue in its order, each with what it waits for. */
export function Waiting({ queue }: { queue: Queue }) {
  if (queue.length === 0)
    return (
      <Text fz="sm">
        <Trans>Nothing waits.</Trans>
      </Text>
    );
  const shown = queue.entries.slice(0, SHOWN);
  const rest = queue.length - shown.length;
  return (
    <>
      <List type="ordered" fz="sm">
        {shown.map(({ run, position, message }) => (
          <List.Item key={run.uid} value={position}>
            <Anchor component={Link} to={`/runs/${run.id}`} fz="sm" underline="always">
              {run.name ?? run.id}
            </Anchor>
            : {message}
          </List.Item>
        ))}
      </List>
      {rest > 0 && (
        <Anchor component={Link} to="/queue" fz="sm">
          <Plural value={rest} one="# more in the queue" other="# more in the queue" />
        </Anchor>
      )}
    </>
  );
}
