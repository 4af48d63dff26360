import { Trans, useLingui } from "@lingui/react/macro";
import { Button, MultiSelect, Popover } from "@mantine/core";
import { IconColumns3 } from "@tabler/icons-react";
import type { Run } from "../../api/client";
import { COLUMNS, SETTING } from "./columns";

/** Which columns the table has; any setting of the runs in sight can be one. */
export function ColumnMenu({ chosen, runs, onChange }: { chosen: string[]; runs: Run[]; onChange: (keys: string[]) => void }) {
  const { t, i18n } = useLingui();
  const names = new Set(runs.flatMap((run) => Object.keys(run.config)));
  const settings = [...new Set([...chosen.filter((key) => key.startsWith(SETTING)), ...[...names].map((name) => SETTING + name)])];
  return (
    <Popover position="bottom-end" shadow="md" width={320} trapFocus>
      <Popover.Target>
        <Button variant="default" leftSection={<IconColumns3 size={16} aria-hidden />} visibleFrom="sm">
          <Trans>Columns</Trans>
        </Button>
      </Popover.Target>
      <Popover.Dropdown>
        <MultiSelect
          label={t`Columns, in this order`}
          searchable
          hidePickedOptions
          maxValues={20}
          comboboxProps={{ withinPortal: false }}
          maxDropdownHeight={280}
          data={[
            {
              group: t`Of the run`,
              items: COLUMNS.map(({ key, label }) => ({
                value: key,
                label: typeof label === "string" ? label : i18n._(label),
              })),
            },
            {
              group: t`Settings`,
              items: settings.sort().map((key) => ({ value: key, label: key.slice(SETTING.length) })),
            },
          ]}
          value={chosen}
          onChange={onChange}
        />
      </Popover.Dropdown>
    </Popover>
  );
}
