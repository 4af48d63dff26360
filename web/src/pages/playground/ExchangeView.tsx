import { Trans } from "@lingui/react/macro";
import { Paper, SimpleGrid, Stack, Text } from "@mantine/core";
import { AnswerView } from "./AnswerView";
import type { Exchange } from "./conversation";

/** A question and its answers, side by side. */
export function ExchangeView({ exchange, onRetry }: { exchange: Exchange; onRetry?: () => void }) {
  return (
    <Stack gap="xs">
      <Paper p="sm" bg="var(--mantine-primary-color-light)">
        <Text fz="xs" fw={600}>
          {exchange.role === "tool" ? <Trans>The tool's result</Trans> : <Trans>You</Trans>}
        </Text>
        <Text style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{exchange.text}</Text>
      </Paper>
      <SimpleGrid cols={{ base: 1, sm: exchange.answers.length }}>
        {exchange.answers.map((answer, side) => (
          <AnswerView key={side} answer={answer} {...(onRetry ? { onRetry } : {})} />
        ))}
      </SimpleGrid>
    </Stack>
  );
}
