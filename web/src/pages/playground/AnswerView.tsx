import { Trans, useLingui } from "@lingui/react/macro";
import { Code, Group, Loader, Paper, SegmentedControl, Stack, Text } from "@mantine/core";
import { Suspense, lazy, useState } from "react";
import { ApiError } from "../../api/client";
import { ErrorNotice } from "../../components/ErrorNotice";
import type { Answer } from "./conversation";
import { Loading } from "./Loading";
import { Tokens } from "./Tokens";

const Markdown = lazy(() => import("./Markdown").then(({ Markdown }) => ({ default: Markdown })));

type View = "text" | "source" | "tokens";

/** What a model answered: as text, as it was written, or token by token. */
export function AnswerView({ answer, onRetry }: { answer: Answer; onRetry?: () => void }) {
  const { t } = useLingui();
  const [chosen, setView] = useState<View>();
  const { model, state, text, calls, tokens, error } = answer;
  const view = chosen ?? (tokens.length > 0 ? "tokens" : "text");
  const views = [
    { value: "text", label: t`Text` },
    { value: "source", label: t`As written` },
    ...(tokens.length > 0 ? [{ value: "tokens", label: t`Tokens` }] : []),
  ];
  const source = <Text style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>{text}</Text>;
  return (
    <Paper withBorder p="sm" miw={0}>
      <Stack gap="xs">
        <Group justify="space-between">
          <Text fz="xs" fw={600} style={{ overflowWrap: "anywhere" }}>
            {model}
          </Text>
          {text !== "" && (
            <SegmentedControl
              size="xs"
              aria-label={t`How the answer is shown`}
              data={views}
              value={view}
              onChange={(next) => setView(next as View)}
            />
          )}
        </Group>
        {state === "waiting" && <Loading model={model} />}
        {view === "tokens" && <Tokens tokens={tokens} />}
        {view === "source" && source}
        {view === "text" && (
          <Suspense fallback={source}>
            <Markdown text={text} />
          </Suspense>
        )}
        {calls.map((call, place) => (
          <Code block key={place}>
            {call.function.name}({call.function.arguments})
          </Code>
        ))}
        {state === "streaming" && <Loader type="dots" size="xs" aria-label={t`It is being written`} />}
        {error && <Failure error={error} {...(onRetry ? { onRetry } : {})} />}
        <Facts answer={answer} />
      </Stack>
    </Paper>
  );
}

interface FailureProps {
  error: NonNullable<Answer["error"]>;
  onRetry?: () => void;
}

function Failure({ error, onRetry }: FailureProps) {
  const { t } = useLingui();
  const { status, code, message } = error;
  const told = code === "cut_short" ? new Error(t`The answer ended early: the engine or the server went away.`) : null;
  return <ErrorNotice error={told ?? new ApiError(status, code, message)} {...(onRetry ? { onRetry } : {})} />;
}

function Facts({ answer: { state, tokenCount, seconds, finishReason } }: { answer: Answer }) {
  const { i18n } = useLingui();
  const short = (value: number) => i18n.number(value, { maximumFractionDigits: 1 });
  if (state === "waiting" || state === "streaming" || seconds === undefined) return null;
  return (
    <Text fz="xs">
      {state === "stopped" && (
        <>
          <Trans>stopped</Trans> ·{" "}
        </>
      )}
      {finishReason === "length" && (
        <>
          <Trans>cut off at the most tokens</Trans> ·{" "}
        </>
      )}
      {tokenCount !== undefined && (
        <>
          <Trans>
            {tokenCount} tokens, {short(tokenCount / seconds)} tokens/s
          </Trans>{" "}
          ·{" "}
        </>
      )}
      {short(seconds)} s
    </Text>
  );
}
