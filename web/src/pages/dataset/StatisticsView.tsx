import { Trans, useLingui } from "@lingui/react/macro";
import { Card, Loader, SimpleGrid, Stack, Text, Title } from "@mantine/core";
import { useStatistics, type DatasetVersion, type Lengths } from "../../api/datasets";
import { Bars, type Bar } from "../../components/Bars";
import { ErrorNotice } from "../../components/ErrorNotice";
import { Histogram } from "../../components/Histogram";
import { nameOfWriting } from "../../kit/languages";

/** What is in a version: lengths, roles, formats and languages, as pictures. */
export function StatisticsView({ version }: { version: DatasetVersion }) {
  const { t, i18n } = useLingui();
  const statistics = useStatistics(version.dataset_id, version.version);
  if (statistics.error) return <ErrorNotice error={statistics.error} onRetry={statistics.refetch} />;
  if (statistics.data === undefined)
    return (
      <Stack align="start">
        <Loader />
        <Text>
          <Trans>The file is being read. What is counted is kept, so that this happens once.</Trans>
        </Text>
      </Stack>
    );
  const { rows, invalid, shapes, roles, languages, tokens, characters, messages } = statistics.data;
  const named = Object.entries(languages ?? {}).map(([code, count]): Bar => {
    const label = code === "Zyyy" ? t`no letters` : nameOfWriting(code, i18n.locale);
    return { label, count };
  });
  return (
    <Stack>
      <Text>
        <Trans>
          Rows: {i18n.number(rows)}. Unreadable or of no known format: {i18n.number(invalid)}. Tokens, estimated without a
          tokenizer: {i18n.number(tokens.total)}.
        </Trans>
      </Text>
      <SimpleGrid cols={{ base: 1, md: 2, xl: 3 }}>
        <LengthCard title={t`Tokens per row, estimated`} lengths={tokens} />
        <LengthCard title={t`Characters per row`} lengths={characters} />
        <LengthCard title={t`Messages per row`} lengths={messages} />
        <BarCard title={t`Messages by role`} bars={barsOf(roles)} />
        <BarCard title={t`Rows by language or script`} bars={named} />
        <BarCard title={t`Rows by format`} bars={barsOf(shapes)} />
      </SimpleGrid>
    </Stack>
  );
}

const barsOf = (counts: Record<string, number>): Bar[] =>
  Object.entries(counts).map(([label, count]) => ({ label, count }));

function LengthCard({ title, lengths }: { title: string; lengths: Lengths }) {
  const { i18n } = useLingui();
  const { min, p50, p95, max } = lengths;
  return (
    <Card withBorder padding="sm">
      <Title order={2} fz="md">
        {title}
      </Title>
      <Text fz="sm" mb="xs">
        <Trans>
          least {i18n.number(min)}, median {i18n.number(p50)}, 95 % below {i18n.number(p95)}, most {i18n.number(max)}
        </Trans>
      </Text>
      <Histogram label={title} buckets={lengths.buckets} />
    </Card>
  );
}

function BarCard({ title, bars }: { title: string; bars: Bar[] }) {
  return (
    <Card withBorder padding="sm">
      <Title order={2} fz="md" mb="xs">
        {title}
      </Title>
      {bars.length > 0 ? <Bars bars={bars} /> : <Text fz="sm">—</Text>}
    </Card>
  );
}
