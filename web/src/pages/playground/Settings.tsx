import { Trans, useLingui } from "@lingui/react/macro";
import { NumberInput, Stack, Switch, Text, Textarea } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { TypedFilter } from "../../components/TypedFilter";
import type { Conversation } from "./conversation";
import type { PlaygroundSearch } from "./search";

interface SettingsProps {
  conversation: Conversation;
  /** What is wrong with the tools. */
  problem: string | null;
  onSet: (fields: Partial<Pick<Conversation, "system" | "tools">>) => void;
}

/** How the models are asked. What is left empty is the model's own. */
export function Settings({ conversation, problem, onSet }: SettingsProps) {
  const { t } = useLingui();
  const search = useSearch({ from: "/playground" });
  const navigate = useNavigate({ from: "/playground" });
  const set = <K extends keyof PlaygroundSearch>(key: K, value: PlaygroundSearch[K] | undefined) =>
    navigate({
      replace: true,
      search: (before) => {
        const { [key]: _, ...rest } = before;
        return (value === undefined ? rest : { ...rest, [key]: value }) as PlaygroundSearch;
      },
    });
  const number = (value: number | string) => (typeof value === "number" ? value : undefined);
  return (
    <Stack gap="sm">
      <Textarea
        label={t`System message`}
        autosize
        minRows={2}
        maxRows={8}
        value={conversation.system}
        onChange={(event) => onSet({ system: event.currentTarget.value })}
      />
      <NumberInput
        label={t`Temperature`}
        description={t`0 is always the most probable token`}
        min={0}
        max={2}
        step={0.1}
        value={search.temperature ?? ""}
        onChange={(value) => set("temperature", number(value))}
      />
      <NumberInput
        label={t`Top p`}
        min={0.01}
        max={1}
        step={0.05}
        value={search.top_p ?? ""}
        onChange={(value) => set("top_p", number(value))}
      />
      <NumberInput
        label={t`Most tokens of an answer`}
        min={1}
        allowDecimal={false}
        value={search.max_tokens ?? ""}
        onChange={(value) => set("max_tokens", number(value))}
      />
      <NumberInput
        label={t`Seed`}
        description={t`The same seed, the same answer`}
        min={0}
        allowDecimal={false}
        value={search.seed ?? ""}
        onChange={(value) => set("seed", number(value))}
      />
      <TypedFilter label={t`Stop before this text`} value={search.stop} onType={(text) => set("stop", text)} />
      <Switch
        label={t`Show tokens with their probabilities`}
        checked={search.logprobs === true}
        onChange={(event) => set("logprobs", event.currentTarget.checked || undefined)}
      />
      <Textarea
        label={t`Tools, as JSON`}
        placeholder='[{"type": "function", "function": {"name": "…"}}]'
        autosize
        minRows={2}
        maxRows={12}
        styles={{ input: { fontFamily: "monospace" } }}
        value={conversation.tools}
        error={problem}
        onChange={(event) => onSet({ tools: event.currentTarget.value })}
      />
      <Text fz="sm">
        <Trans>The conversation stays in this tab, also over a reload, until the tab is closed or you log out.</Trans>
      </Text>
    </Stack>
  );
}
