import { Trans } from "@lingui/react/macro";
import { Badge, Button, Group, Modal, Stack, Table, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";
import { useMe } from "../../api/account";
import { useUsers, type User } from "../../api/users";
import { Age } from "../../components/Age";
import { ErrorNotice } from "../../components/ErrorNotice";
import { NewUser } from "./NewUser";
import { UserDetails } from "./UserDetails";

/** Everybody with an account, and what administrators may do with it. */
export function Users() {
  const me = useMe();
  const users = useUsers();
  const [isMaking, making] = useDisclosure();
  const [chosenId, choose] = useState<string | null>(null);
  const mayWrite = me.data?.permissions.includes("users:write") ?? false;
  const chosen = users.data?.find((user) => user.id === chosenId);
  return (
    <Stack>
      <Text fz="sm">
        <Trans>Nobody can register here by themselves: administrators make the accounts.</Trans>
      </Text>
      {users.error && <ErrorNotice error={users.error} onRetry={users.refetch} />}
      {mayWrite && me.data?.user && (
        <Button w="fit-content" onClick={making.open}>
          <Trans>New user</Trans>
        </Button>
      )}
      <UserTable users={users.data ?? []} onChoose={choose} />
      <Modal opened={isMaking} onClose={making.close} title={<Trans>New user</Trans>}>
        <NewUser onDone={making.close} />
      </Modal>
      <Modal opened={chosen !== undefined} onClose={() => choose(null)} title={chosen?.username} size="xl">
        {chosen && <UserDetails key={chosen.id} user={chosen} mayWrite={mayWrite} onDone={() => choose(null)} />}
      </Modal>
    </Stack>
  );
}

function UserTable({ users, onChoose }: { users: User[]; onChoose: (id: string) => void }) {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table highlightOnHover>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>
              <Trans>User name</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>E-mail</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Levels</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>Last login</Trans>
            </Table.Th>
            <Table.Th>
              <Trans>State</Trans>
            </Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {users.map((user) => (
            <Table.Tr key={user.id}>
              <Table.Td>
                <Button variant="subtle" size="compact-sm" onClick={() => onChoose(user.id)}>
                  {user.username}
                </Button>
              </Table.Td>
              <Table.Td>{user.email}</Table.Td>
              <Table.Td>{user.levels.join(", ")}</Table.Td>
              <Table.Td>
                <Age at={user.last_login_at} />
              </Table.Td>
              <Table.Td>
                <Group gap={4}>
                  <Badge color={user.is_active ? "green" : "gray"} variant="light" tt="none">
                    {user.is_active ? <Trans>active</Trans> : <Trans>switched off</Trans>}
                  </Badge>
                  {!user.has_password && (
                    <Badge color="yellow" variant="light" tt="none">
                      <Trans>no password</Trans>
                    </Badge>
                  )}
                </Group>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
