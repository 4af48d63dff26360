import { Trans, useLingui } from "@lingui/react/macro";
import { ActionIcon, Autocomplete, Group, Select, TagsInput, Textarea, TextInput, Tooltip } from "@mantine/core";
import { IconListNumbers } from "@tabler/icons-react";
import { useModelNames } from "../../api/submissions";
import { holdsSeveral, textOfValue, valueOf } from "../../kit/settings";
import { DataField } from "./DataField";
import type { Field } from "./fields";
import { JsonField } from "./JsonField";
import { TypedInput } from "./TypedInput";
import { SettingHelp } from "./SettingHelp";
import { UNSTORED } from "./useDraft";

interface SettingFieldProps {
  field: Field;
  value: unknown;
  error: string | undefined;
  recipe: string;
  onChange: (value: unknown) => void;
}

/** One setting: its name, help, and an input by its type. Any of them may hold several values. */
export function SettingField(props: SettingFieldProps) {
  const { t } = useLingui();
  const { field, value, onChange } = props;
  const { setting } = field;
  const several = holdsSeveral(setting, value);
  const canBeSeveral = field.kind !== "json" && field.kind !== "long" && !setting.takes_lists;
  const toggle = () => onChange(several ? value[0] : value === undefined || value === "" ? [] : [value]);
  return (
    <Group gap="xs" align="start" wrap="nowrap">
      <div style={{ flex: 1, minWidth: 0 }}>
        {several && canBeSeveral ? <SeveralValues {...props} value={value} /> : <OneValue {...props} />}
      </div>
      {canBeSeveral && (
        <Tooltip label={several ? t`One value` : t`Several values: a run for each`}>
          <ActionIcon
            variant={several ? "filled" : "default"}
            size="lg"
            mt={26}
            onClick={toggle}
            aria-pressed={several}
            aria-label={t`Several values of ${setting.name}`}
          >
            <IconListNumbers size={18} aria-hidden />
          </ActionIcon>
        </Tooltip>
      )}
    </Group>
  );
}

function SeveralValues({ field, value, error, onChange }: SettingFieldProps & { value: unknown[] }) {
  const { t } = useLingui();
  const { setting, choices, kind } = field;
  return (
    <TagsInput
      label={setting.name}
      description={<SettingHelp setting={setting} />}
      inputWrapperOrder={["label", "input", "description", "error"]}
      placeholder={t`a value, then Enter`}
      data={kind === "switch" ? ["true", "false"] : choices}
      value={value.map(textOfValue)}
      splitChars={kind === "number" ? [",", " "] : []}
      error={error}
      onChange={(texts) => onChange(texts.map((text) => valueFor(kind, text)))}
    />
  );
}

function OneValue(props: SettingFieldProps) {
  const { field, value, error, onChange } = props;
  const { setting, choices, kind } = field;
  const { t } = useLingui();
  const models = useModelNames();
  const defaultText = textOfValue(setting.default);
  const shared = {
    label: setting.name,
    description: (
      <>
        <SettingHelp setting={setting} />{" "}
        {UNSTORED.includes(setting.name) && <Trans>As it may hold secrets, a reload of the page forgets it.</Trans>}
      </>
    ),
    inputWrapperOrder: ["label", "input", "description", "error"] as ("label" | "input" | "description" | "error")[],
    error,
    required: setting.required,
    withAsterisk: setting.required,
  };
  switch (kind) {
    case "model":
      return (
        <Autocomplete
          {...shared}
          data={models}
          value={textOfValue(value)}
          placeholder="finery/tiny-llama"
          onChange={(text) => onChange(text === "" ? undefined : text)}
        />
      );
    case "data":
      return <DataField {...props} shared={shared} />;
    case "switch":
    case "choice":
      return (
        <Select
          {...shared}
          data={kind === "switch" ? ["true", "false"] : choices.concat(isSwitch(setting.type) ? ["true", "false"] : [])}
          value={value === undefined ? null : textOfValue(value)}
          placeholder={defaultText}
          clearable
          clearButtonProps={{ "aria-label": t`Back to the default` }}
          onChange={(text) => onChange(text === null ? undefined : valueFor(kind, text))}
        />
      );
    case "list":
      // Lists of lists are no words.
      if (holdsSeveral(setting, value)) return <JsonField {...shared} value={value} onChange={onChange} />;
      return (
        <TagsInput
          {...shared}
          data={choices}
          value={listOf(value)}
          placeholder={listOf(value).length > 0 ? "" : defaultText}
          splitChars={[]}
          onChange={(texts) => onChange(texts.length === 0 ? undefined : texts)}
        />
      );
    case "long":
      return (
        <Textarea
          {...shared}
          autosize
          minRows={2}
          maxRows={12}
          value={textOfValue(value)}
          onChange={(event) => onChange(event.currentTarget.value === "" ? undefined : event.currentTarget.value)}
        />
      );
    case "json":
      return <JsonField {...shared} value={value} onChange={onChange} />;
    case "number":
      return (
        <TypedInput
          {...shared}
          inputMode="decimal"
          value={value}
          placeholder={defaultText}
          rightSection={setting.takes_auto ? <AutoButton isOn={value === "auto"} onChange={onChange} /> : undefined}
          rightSectionWidth={64}
          onChange={onChange}
        />
      );
    default:
      return (
        <TextInput
          {...shared}
          value={textOfValue(value)}
          placeholder={defaultText}
          onChange={(event) => onChange(event.currentTarget.value === "" ? undefined : event.currentTarget.value)}
        />
      );
  }
}

function AutoButton({ isOn, onChange }: { isOn: boolean; onChange: (value: unknown) => void }) {
  const { t } = useLingui();
  return (
    <ActionIcon
      variant={isOn ? "filled" : "default"}
      w={52}
      onClick={() => onChange(isOn ? undefined : "auto")}
      aria-pressed={isOn}
      aria-label={t`auto: let the server choose`}
      fz="xs"
    >
      <Trans>auto</Trans>
    </ActionIcon>
  );
}

function isSwitch(type: string): boolean {
  return type.includes("boolean");
}

function listOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(textOfValue) : value === undefined ? [] : [textOfValue(value)];
}

/** A word that was chosen is one, also where it looks like a number. */
function valueFor(kind: Field["kind"], text: string): unknown {
  return kind === "text" || kind === "model" || kind === "data" ? text : valueOf(text);
}
