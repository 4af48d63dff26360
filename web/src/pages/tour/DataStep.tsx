import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Code, Stack, Text, Title } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useStoreSample } from "../../api/tour";
import { ErrorNotice } from "../../components/ErrorNotice";
import { lessonOf } from "./lessons";

/** Stores the sample that ships with Finery as a dataset. */
export function DataStep() {
  const { i18n } = useLingui();
  const navigate = useNavigate({ from: "/tour" });
  const store = useStoreSample();
  const { question, answer } = lessonOf(i18n.locale);
  const row = { messages: [{ role: "user", content: question }, { role: "assistant", content: answer }] };
  return (
    <Stack>
      <Title order={2} fz="h3">
        <Trans>1. Take the data</Trans>
      </Title>
      <Text>
        <Trans>187 questions with their answers come with Finery, in four languages. One row looks like this:</Trans>
      </Text>
      <Code block style={{ whiteSpace: "pre-wrap" }}>
        {JSON.stringify(row, null, 2)}
      </Code>
      {store.error && <ErrorNotice error={store.error} />}
      <Button
        w="fit-content"
        loading={store.isPending}
        onClick={() => store.mutate(undefined, { onSuccess: (stored) => void navigate({ search: { data: stored.path } }) })}
      >
        <Trans>Take this data</Trans>
      </Button>
    </Stack>
  );
}
