import { Trans } from "@lingui/react/macro";
import { Badge, Button, Card, Group, Modal, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useMe } from "../../api/account";
import { useWebhooks, useWebhookActions, type Webhook } from "../../api/webhooks";
import { ConfirmButton } from "../../components/ConfirmButton";
import { ErrorNotice } from "../../components/ErrorNotice";
import { ShownOnce } from "../../components/ShownOnce";
import { Deliveries } from "./Deliveries";
import { NewWebhook } from "./NewWebhook";

/** The addresses that are told of events, and what was sent to each. */
export function Webhooks() {
  const webhooks = useWebhooks();
  const me = useMe();
  const [isMaking, making] = useDisclosure();
  const mayAll = me.data?.permissions.includes("runs:all") ?? false;
  return (
    <Stack>
      <Button w="fit-content" onClick={making.open}>
        <Trans>New webhook</Trans>
      </Button>
      {webhooks.error && <ErrorNotice error={webhooks.error} onRetry={webhooks.refetch} />}
      {webhooks.data?.length === 0 && (
        <Text fz="sm">
          <Trans>There is no webhook.</Trans>
        </Text>
      )}
      {webhooks.data?.map((webhook) => (
        <WebhookCard key={webhook.id} webhook={webhook} />
      ))}
      <Modal opened={isMaking} onClose={making.close} title={<Trans>New webhook</Trans>} size="lg">
        <NewWebhook mayAll={mayAll} onDone={making.close} />
      </Modal>
    </Stack>
  );
}

function WebhookCard({ webhook }: { webhook: Webhook }) {
  const { webhook: openId } = useSearch({ from: "/admin" });
  const navigate = useNavigate({ from: "/admin" });
  const { change, remove, test, rotate } = useWebhookActions(webhook.id);
  const isOpen = openId === webhook.id;
  const open = (wanted: boolean) =>
    void navigate({ search: { tab: "webhooks", ...(wanted ? { webhook: webhook.id } : {}) } });
  const error = change.error ?? remove.error ?? test.error ?? rotate.error;
  return (
    <Card withBorder>
      <Stack gap="xs">
        <Facts webhook={webhook} />
        {error && <ErrorNotice error={error} />}
        {rotate.data && (
          <ShownOnce label={webhook.name} value={rotate.data.secret} onDone={() => rotate.reset()} />
        )}
        <Group gap="xs">
          <Button size="xs" variant="default" onClick={() => open(!isOpen)} aria-expanded={isOpen}>
            {isOpen ? <Trans>Hide the deliveries</Trans> : <Trans>Deliveries</Trans>}
          </Button>
          {webhook.enabled && (
            <Button
              size="xs"
              variant="default"
              loading={test.isPending}
              onClick={() => test.mutate(undefined, { onSuccess: () => open(true) })}
            >
              <Trans>Send a test</Trans>
            </Button>
          )}
          <Button size="xs" variant="default" onClick={() => change.mutate({ enabled: !webhook.enabled })}>
            {webhook.enabled ? <Trans>Switch off</Trans> : <Trans>Switch on</Trans>}
          </Button>
          <ConfirmButton
            color="gray"
            question={<Trans>Draw a new signing secret for {webhook.name}?</Trans>}
            consequence={<Trans>For 24 hours messages are signed with the old one, too.</Trans>}
            onConfirm={() => rotate.mutate()}
          >
            <Trans>New secret</Trans>
          </ConfirmButton>
          <ConfirmButton
            question={<Trans>Delete the webhook {webhook.name}?</Trans>}
            consequence={<Trans>Its messages and their record go, too.</Trans>}
            onConfirm={() => remove.mutate()}
          >
            <Trans>Delete</Trans>
          </ConfirmButton>
        </Group>
        {isOpen && <Deliveries webhookId={webhook.id} isEnabled={webhook.enabled} />}
      </Stack>
    </Card>
  );
}

function Facts({ webhook }: { webhook: Webhook }) {
  return (
    <>
      <Group gap="xs">
        <Text fw={600}>{webhook.name}</Text>
        <Badge color={webhook.enabled ? "green" : "gray"} variant="light" tt="none">
          {webhook.enabled ? <Trans>on</Trans> : <Trans>off</Trans>}
        </Badge>
        {webhook.scope === "all" && (
          <Badge variant="light" tt="none">
            <Trans>everyone's runs</Trans>
          </Badge>
        )}
      </Group>
      <Text fz="sm" ff="monospace" style={{ overflowWrap: "anywhere" }}>
        {webhook.url}
      </Text>
      <Text fz="sm">{webhook.event_types.join(", ")}</Text>
      <Text fz="sm">
        <Trans>The signing secret ends with {webhook.secret_hint}</Trans>
      </Text>
      {webhook.disabled_reason && <Text fz="sm">{webhook.disabled_reason}</Text>}
    </>
  );
}
