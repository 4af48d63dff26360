import { Trans, useLingui } from "@lingui/react/macro";
import { ActionIcon, Button, Group, Popover, Stack, Text, TextInput } from "@mantine/core";
import { useLocalStorage } from "@mantine/hooks";
import { IconBookmark, IconTrash } from "@tabler/icons-react";
import { useState } from "react";
import { useMe } from "../../api/account";
import { runsSearchOf, type RunsSearch } from "./search";
import { useRunsView } from "./useRunsView";

const KEY = "finery.runs.views";

interface SavedView {
  name: string;
  search: RunsSearch;
}

/** Views that were given a name, kept in this browser: filter, order and columns. */
export function SavedViews() {
  const { t } = useLingui();
  const { search, show } = useRunsView();
  const [isOpen, setOpen] = useState(false);
  const [name, setName] = useState("");
  const user = useMe().data?.user?.id;
  const key = user === undefined ? KEY : `${KEY}.${user}`;
  const [views, setViews] = useLocalStorage<SavedView[]>({ key, defaultValue: [], deserialize: viewsOf });
  const save = () => {
    const { selected: _, ...kept } = search;
    setViews((before) => [...before.filter((view) => view.name !== name.trim()), { name: name.trim(), search: kept }]);
    setName("");
  };
  return (
    <Popover position="bottom-end" shadow="md" width={300} trapFocus opened={isOpen} onChange={setOpen}>
      <Popover.Target>
        <Button variant="default" leftSection={<IconBookmark size={16} aria-hidden />} onClick={() => setOpen(!isOpen)}>
          <Trans>Saved views</Trans>
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <Stack gap="xs">
          {views.length === 0 && (
            <Text fz="sm">
              <Trans>A view is a filter with its order and columns. It stays in this browser.</Trans>
            </Text>
          )}
          {views.map((view) => (
            <Group key={view.name} justify="space-between" wrap="nowrap">
              <Button
                variant="subtle"
                justify="start"
                fullWidth
                onClick={() => {
                  show(view.search);
                  setOpen(false);
                }}
              >
                {view.name}
              </Button>
              <ActionIcon
                variant="subtle"
                color="red"
                aria-label={t`Delete the view ${view.name}`}
                onClick={() => setViews((before) => before.filter((other) => other.name !== view.name))}
              >
                <IconTrash size={16} aria-hidden />
              </ActionIcon>
            </Group>
          ))}
          <Group
            component="form"
            align="end"
            wrap="nowrap"
            onSubmit={(event: React.FormEvent) => {
              event.preventDefault();
              if (name.trim()) save();
            }}
          >
            <TextInput label={t`Name of this view`} value={name} maxLength={60} onChange={(event) => setName(event.currentTarget.value)} />
            <Button type="submit" disabled={!name.trim()}>
              <Trans>Save</Trans>
            </Button>
          </Group>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
}

/** Reads what the browser kept, which another version may have written. */
function viewsOf(text: string | undefined): SavedView[] {
  try {
    const stored: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(stored)) return [];
    return stored.flatMap(({ name, search }) => (typeof name === "string" ? [{ name, search: runsSearchOf(search ?? {}) }] : []));
  } catch {
    return [];
  }
}
