import { msg } from "@lingui/core/macro";
import type { MessageDescriptor } from "@lingui/core";
import { Trans, useLingui } from "@lingui/react/macro";
import { Badge, Button, Code, Stack, Table, Text, VisuallyHidden } from "@mantine/core";
import type { Schemas } from "../../api/client";
import { useDeliveries, useWebhookActions, type Delivery } from "../../api/webhooks";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import classes from "./Deliveries.module.css";

type State = Schemas["MessageState"];

const WORDS: Record<State, MessageDescriptor> = {
  pending: msg`waits`,
  delivered: msg`delivered`,
  failed: msg`failed`,
  cancelled: msg`cancelled`,
};
const COLORS: Record<State, string> = { pending: "blue", delivered: "green", failed: "red", cancelled: "gray" };

/** What was sent to a webhook, with each attempt; any message can be sent again. */
export function Deliveries({ webhookId, isEnabled }: { webhookId: string; isEnabled: boolean }) {
  const deliveries = useDeliveries(webhookId);
  const { replay } = useWebhookActions(webhookId);
  const all = deliveries.data?.pages.flatMap((page) => page.deliveries) ?? [];
  return (
    <Stack gap="xs">
      {(deliveries.error ?? replay.error) && <ErrorNotice error={deliveries.error ?? replay.error} />}
      {deliveries.isSuccess && all.length === 0 && (
        <Text fz="sm">
          <Trans>Nothing was sent yet.</Trans>
        </Text>
      )}
      {all.length > 0 && (
        <Table.ScrollContainer minWidth={640}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>
                  <Trans>Event</Trans>
                </Table.Th>
                <Table.Th>
                  <Trans>State</Trans>
                </Table.Th>
                <Table.Th>
                  <Trans>Attempts</Trans>
                </Table.Th>
                <Table.Th>
                  <VisuallyHidden>
                    <Trans>Actions</Trans>
                  </VisuallyHidden>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {all.map((delivery) => (
                <Row
                  key={delivery.id}
                  delivery={delivery}
                  onReplay={isEnabled ? () => replay.mutate(delivery.id) : null}
                />
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      {deliveries.hasNextPage && (
        <Button size="xs" variant="default" w="fit-content" onClick={() => deliveries.fetchNextPage()}>
          <Trans>Show more</Trans>
        </Button>
      )}
    </Stack>
  );
}

function Row({ delivery, onReplay }: { delivery: Delivery; onReplay: (() => void) | null }) {
  const { i18n } = useLingui();
  return (
    <Table.Tr>
      <Table.Td>
        <Text fz="sm">{delivery.type}</Text>
        <Text fz="sm">
          <Age at={delivery.created_at} />
        </Text>
        <details className={classes.message}>
          <summary>
            <Trans>Message</Trans>
          </summary>
          <Code block className={classes.payload}>
            {delivery.payload}
          </Code>
        </details>
      </Table.Td>
      <Table.Td>
        <Badge color={COLORS[delivery.state]} variant="light" tt="none" miw="max-content">
          {i18n._(WORDS[delivery.state])}
        </Badge>
      </Table.Td>
      <Table.Td>
        {delivery.attempts.map((attempt) => (
          <Text fz="sm" key={attempt.number}>
            {attempt.number}. {attempt.status_code ?? ""} {attempt.error ?? ""}{" "}
            {attempt.milliseconds !== null && `${attempt.milliseconds} ms`}
          </Text>
        ))}
      </Table.Td>
      <Table.Td>
        {onReplay && (
          <Button size="xs" variant="default" onClick={onReplay}>
            <Trans>Send again</Trans>
          </Button>
        )}
      </Table.Td>
    </Table.Tr>
  );
}
