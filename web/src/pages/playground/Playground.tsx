import { Trans } from "@lingui/react/macro";
import { Button, Grid, Group, Stack, Text, Title } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { chatBody } from "../../api/chat";
import { useModels } from "../../api/models";
import { CodeDialog } from "./CodeDialog";
import { Composer } from "./Composer";
import { messagesFor } from "./conversation";
import { ExchangeView } from "./ExchangeView";
import { ModelField } from "./ModelField";
import { Settings } from "./Settings";
import { toolsOf } from "./tools";
import { useConversation } from "./useConversation";

const FALLBACK = "finery/tiny-llama";
const NEAR_END = 160;

/** A conversation with a model, or with two side by side. */
export function Playground() {
  const { model: wanted, other, ...settings } = useSearch({ from: "/playground" });
  const navigate = useNavigate({ from: "/playground" });
  const known = useModels();
  const { conversation, change, isBusy, ask, stop } = useConversation();
  const [isOpen, { toggle }] = useDisclosure();
  const [isCode, code] = useDisclosure();
  const isWide = useMediaQuery("(min-width: 62em)", true);
  const model = wanted ?? known.data?.find(({ kind }) => kind === "output")?.name ?? FALLBACK;
  const models = other === undefined ? [model] : [model, other];
  const { tools, problem } = toolsOf(conversation.tools);
  const end = useRef<HTMLDivElement>(null);
  const last = conversation.exchanges.at(-1);
  const callsTool = models.length === 1 && last?.answers[0]?.state === "done" && last.answers[0].calls.length > 0;
  useEffect(() => {
    const { scrollHeight, clientHeight } = document.documentElement;
    if (scrollHeight - window.scrollY - clientHeight < NEAR_END) end.current?.scrollIntoView({ block: "end" });
  }, [conversation]);
  const asking = { models, settings, tools };
  const retry = () => {
    if (last === undefined) return;
    change({ type: "taken back" });
    ask({ ...conversation, exchanges: conversation.exchanges.slice(0, -1) }, last.text, last.role, asking);
  };
  return (
    <Stack>
      <Group justify="space-between">
        <Title order={1}>
          <Trans>Playground</Trans>
        </Title>
        <Group gap="xs">
          {!isWide && (
            <Button size="xs" variant="default" onClick={toggle} aria-expanded={isOpen}>
              <Trans>Settings</Trans>
            </Button>
          )}
          <Button size="xs" variant="default" onClick={code.open}>
            <Trans>As code</Trans>
          </Button>
          <Button
            size="xs"
            variant="default"
            disabled={isBusy || conversation.exchanges.length === 0}
            onClick={() => change({ type: "cleared" })}
          >
            <Trans>Clear</Trans>
          </Button>
        </Group>
      </Group>
      <Grid gap="lg">
        <Grid.Col span={{ base: 12, md: 8, xl: 9 }} order={{ base: 2, md: 1 }}>
          <Stack>
            {conversation.exchanges.length === 0 && (
              <Text>
                <Trans>Ask something below. A model that is not loaded yet is loaded by the first question.</Trans>
              </Text>
            )}
            <Stack role="log" aria-busy={isBusy}>
              {conversation.exchanges.map((exchange, place) => (
                <ExchangeView
                  key={place}
                  exchange={exchange}
                  {...(exchange === last && !isBusy ? { onRetry: retry } : {})}
                />
              ))}
            </Stack>
            <Composer
              isBusy={isBusy}
              isBlocked={problem !== null}
              callsTool={callsTool}
              onSend={(text) => ask(conversation, text, callsTool ? "tool" : "user", asking)}
              onStop={stop}
            />
            <div ref={end} />
          </Stack>
        </Grid.Col>
        {(isWide || isOpen) && (
          <Grid.Col span={{ base: 12, md: 4, xl: 3 }} order={{ base: 1, md: 2 }}>
            <Stack>
              <ModelField
                known={known.data ?? []}
                model={model}
                other={other}
                onChange={(next) => navigate({ replace: true, search: (before) => ({ ...before, ...next }) })}
                onOther={(next) =>
                  navigate({ replace: true, search: ({ other: _, ...rest }) => (next ? { ...rest, other: next } : rest) })
                }
              />
              <Settings conversation={conversation} problem={problem} onSet={(fields) => change({ type: "set", fields })} />
            </Stack>
          </Grid.Col>
        )}
      </Grid>
      {isCode && (
        <CodeDialog body={chatBody(model, messagesFor(conversation, 0), settings, tools)} onClose={code.close} />
      )}
    </Stack>
  );
}
