import { Trans, useLingui } from "@lingui/react/macro";
import { Alert, Anchor, Button, Card, Stack, Text, Title } from "@mantine/core";
import { IconCheck, IconX } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useAsk } from "../../api/tour";
import { ErrorNotice } from "../../components/ErrorNotice";
import { lessonOf } from "./lessons";

/** Asks the model what it learned. */
export function AskStep({ runId }: { runId: string }) {
  const { t, i18n } = useLingui();
  const ask = useAsk(runId);
  const { question, answer } = lessonOf(i18n.locale);
  const isRight = ask.data === answer;
  return (
    <Stack>
      <Title order={2} fz="h3">
        <Trans>3. Ask it</Trans>
      </Title>
      <Card withBorder padding="sm">
        <Text fw={600}>{question}</Text>
        {ask.data !== undefined && <Text mt="xs">{ask.data}</Text>}
      </Card>
      {ask.error && <ErrorNotice error={ask.error} />}
      {ask.data !== undefined && (
        <Alert
          role="status"
          color={isRight ? "green" : "yellow"}
          icon={isRight ? <IconCheck aria-hidden /> : <IconX aria-hidden />}
          title={isRight ? t`It answers as it was taught.` : t`It was taught otherwise:`}
        >
          {isRight ? (
            <Trans>You have trained a model. Now with data of your own.</Trans>
          ) : (
            answer
          )}
        </Alert>
      )}
      <Button w="fit-content" loading={ask.isPending} onClick={() => ask.mutate(question)}>
        <Trans>Ask the model</Trans>
      </Button>
      {ask.isPending && (
        <Text fz="sm" role="status">
          <Trans>The model is being loaded; the first answer takes some seconds.</Trans>
        </Text>
      )}
      <Anchor
        renderRoot={(props) => <Link to="/playground" search={{ model: runId, temperature: 0 }} {...props} />}
      >
        <Trans>Go on talking to it in the playground</Trans>
      </Anchor>
    </Stack>
  );
}
