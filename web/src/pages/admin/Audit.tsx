import { Trans, useLingui } from "@lingui/react/macro";
import { Button, Group, Select, Stack, Table, Text } from "@mantine/core";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { auditExport, useAudit, type AuditFilter } from "../../api/audit";
import type { Schemas } from "../../api/client";
import { useUsers } from "../../api/users";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { TypedFilter } from "../../components/TypedFilter";
import { adminSearch, RESULTS } from "./search";

/** Who did what, newest first; the filter is in the address. */
export function Audit() {
  // The router leaves what was refused in the address where it was.
  const { tab: _tab, webhook: _webhook, ...days } = adminSearch({ ...useSearch({ from: "/admin" }) });
  const filter = inMoments(days);
  const audit = useAudit(filter);
  const entries = audit.data?.pages.flatMap((page) => page.entries) ?? [];
  return (
    <Stack>
      <Filters filter={days} />
      <Group gap="xs">
        <Button component="a" size="xs" variant="default" href={auditExport(filter, "csv")} download>
          <Trans>Save as CSV</Trans>
        </Button>
        <Button component="a" size="xs" variant="default" href={auditExport(filter, "jsonl")} download>
          <Trans>Save as JSON Lines</Trans>
        </Button>
      </Group>
      {audit.error && <ErrorNotice error={audit.error} onRetry={audit.refetch} />}
      {audit.isSuccess && entries.length === 0 && (
        <Text fz="sm">
          <Trans>Nothing of the kind was done.</Trans>
        </Text>
      )}
      {entries.length > 0 && <Entries entries={entries} />}
      {audit.hasNextPage && (
        <Button variant="default" w="fit-content" loading={audit.isFetchingNextPage} onClick={() => audit.fetchNextPage()}>
          <Trans>Show more</Trans>
        </Button>
      )}
    </Stack>
  );
}

/** Returns the filter with days of the reader's zone as moments; the last day is included. */
function inMoments({ since, until, ...rest }: AuditFilter): AuditFilter {
  const end = until ? new Date(`${until}T00:00`) : null;
  end?.setDate(end.getDate() + 1);
  return {
    ...rest,
    ...(since ? { since: new Date(`${since}T00:00`).toISOString() } : {}),
    ...(end ? { until: end.toISOString() } : {}),
  };
}

function Filters({ filter }: { filter: AuditFilter }) {
  const { t } = useLingui();
  const navigate = useNavigate({ from: "/admin" });
  const users = useUsers();
  const set = (name: keyof AuditFilter, value: string | null | undefined) =>
    void navigate({
      replace: true,
      search: ({ [name]: _, ...rest }) => (value ? { ...rest, [name]: value } : rest),
    });
  const bind = (name: "action" | "target" | "since" | "until") => ({
    value: filter[name],
    onType: (value: string | undefined) => set(name, value),
  });
  return (
    <Group align="end">
      <Select
        label={t`User`}
        w={170}
        placeholder={t`all`}
        clearable
        clearButtonProps={{ "aria-label": t`Show all users` }}
        searchable
        data={users.data?.map((user) => ({ value: user.id, label: user.username })) ?? []}
        value={filter.user_id ?? null}
        onChange={(value) => set("user_id", value)}
      />
      <Select
        label={t`Result`}
        w={150}
        placeholder={t`all`}
        clearable
        clearButtonProps={{ "aria-label": t`Show all results` }}
        data={[...RESULTS]}
        value={filter.result ?? null}
        onChange={(value) => set("result", value)}
      />
      <TypedFilter label={t`Action`} w={150} placeholder="create_run" {...bind("action")} />
      <TypedFilter label={t`Done to`} w={150} placeholder={t`an id`} {...bind("target")} />
      <TypedFilter label={t`From`} type="date" {...bind("since")} />
      <TypedFilter label={t`To`} type="date" {...bind("until")} />
    </Group>
  );
}

function Entries({ entries }: { entries: Schemas["AuditEntry"][] }) {
  return (
    <Table.ScrollContainer minWidth={800}>
      <Table>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>When</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>User</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Action</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Done to</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Result</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Address</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>What</Trans>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {entries.map((entry) => (
            <Table.Tr key={entry.id}>
              <Table.Td>
                <Age at={entry.at} />
              </Table.Td>
              <Table.Td>{entry.user_name}</Table.Td>
              <Table.Td>{entry.action}</Table.Td>
              <Table.Td style={{ overflowWrap: "anywhere" }}>{entry.target ?? "—"}</Table.Td>
              <Table.Td>{entry.result}</Table.Td>
              <Table.Td>{entry.address ?? "—"}</Table.Td>
              <Table.Td>{whatOf(entry)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function whatOf(entry: Schemas["AuditEntry"]): string {
  const { target_name: name, changes, code } = entry.details;
  return [name, code, ...(Array.isArray(changes) ? changes : [])].filter((part) => part != null).join("; ");
}
