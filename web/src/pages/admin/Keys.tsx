import { Trans } from "@lingui/react/macro";
import { Badge, Table, Text, VisuallyHidden } from "@mantine/core";
import { useKeys, useRevokeKey, type ApiKey } from "../../api/users";
import { Age } from "../../components/Age";
import { ConfirmButton } from "../../components/ConfirmButton";
import { ErrorNotice } from "../../components/ErrorNotice";

/** The keys of whoever looks, or of the user. */
export function Keys({ userId, mayRevoke = true }: { userId?: string; mayRevoke?: boolean }) {
  const keys = useKeys(userId);
  const revoke = useRevokeKey(userId);
  if (keys.error) return <ErrorNotice error={keys.error} onRetry={keys.refetch} />;
  if (keys.data?.length === 0)
    return (
      <Text fz="sm">
        <Trans>There is no key.</Trans>
      </Text>
    );
  return (
    <>
      {revoke.error && <ErrorNotice error={revoke.error} />}
      <Table.ScrollContainer minWidth={640}>
        <Table>
          <Table.Thead>
            <Table.Tr>
              <Table.Th>
                <Trans>Name</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Begins with</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Permissions</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>Last used</Trans>
              </Table.Th>
              <Table.Th>
                <Trans>State</Trans>
              </Table.Th>
              <Table.Th>
                <VisuallyHidden>
                  <Trans>Actions</Trans>
                </VisuallyHidden>
              </Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {keys.data?.map((key) => (
              <Table.Tr key={key.id}>
                <Table.Td>{key.name}</Table.Td>
                <Table.Td ff="monospace">{key.prefix}</Table.Td>
                <Table.Td>{key.scoped_permissions?.join(", ") ?? <Trans>all of its user</Trans>}</Table.Td>
                <Table.Td>
                  <Age at={key.last_used_at} />
                </Table.Td>
                <Table.Td>
                  <KeyState apiKey={key} />
                </Table.Td>
                <Table.Td>
                  {key.is_active && mayRevoke && (
                    <ConfirmButton
                      question={<Trans>Revoke the key {key.name}?</Trans>}
                      consequence={<Trans>Programs that use it are refused from then on. What they began goes on.</Trans>}
                      onConfirm={() => revoke.mutate(key.id)}
                    >
                      <Trans>Revoke</Trans>
                    </ConfirmButton>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </>
  );
}

function KeyState({ apiKey }: { apiKey: ApiKey }) {
  if (apiKey.is_active)
    return (
      <Badge color="green" variant="light" tt="none" miw="max-content">
        <Trans>active</Trans>
      </Badge>
    );
  return (
    <Badge color="gray" variant="light" tt="none" miw="max-content">
      {apiKey.revoked_at ? <Trans>revoked</Trans> : <Trans>expired</Trans>}
    </Badge>
  );
}
