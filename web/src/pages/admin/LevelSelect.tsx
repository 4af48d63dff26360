import { msg } from "@lingui/core/macro";
import type { MessageDescriptor } from "@lingui/core";
import { useLingui } from "@lingui/react/macro";
import { MultiSelect } from "@mantine/core";
import type { Schemas } from "../../api/client";

export type Level = Schemas["Level"];

const LEVELS: Record<Level, MessageDescriptor> = {
  viewer: msg`viewer: may read`,
  researcher: msg`researcher: may also have own runs, datasets and models`,
  lead: msg`lead: may also change everyone's runs, and the queue`,
  admin: msg`admin: may do everything`,
};

export function LevelSelect({ value, onChange }: { value: Level[]; onChange: (levels: Level[]) => void }) {
  const { t, i18n } = useLingui();
  return (
    <MultiSelect
      label={t`Levels`}
      data={Object.entries(LEVELS).map(([level, words]) => ({ value: level, label: i18n._(words) }))}
      value={value}
      onChange={(levels) => onChange(levels as Level[])}
    />
  );
}
