import { useLingui } from "@lingui/react/macro";
import { Accordion, Badge, Stack } from "@mantine/core";
import type { Recipe } from "../../api/submissions";
import { fieldsOf, type Field } from "./fields";
import { titleOf } from "./groups";
import { SettingField } from "./SettingField";
import type { DraftState } from "./useDraft";

interface SettingsFormProps {
  recipe: Recipe;
  state: DraftState;
  errors: ReadonlyMap<string, string>;
}

/** The recipe's settings: the usual ones first, the others folded by theme. */
export function SettingsForm({ recipe, state, errors }: SettingsFormProps) {
  const { i18n } = useLingui();
  const fields = fieldsOf(recipe);
  const [basic, ...others] = recipe.groups ?? [];
  const isSet = (name: string) => state.draft.config[name] !== undefined;
  const shown = (names: readonly string[]) => names.flatMap((name) => fields.get(name) ?? []);
  return (
    <Stack>
      <Fields fields={shown(basic?.settings ?? [])} state={state} errors={errors} />
      <Accordion multiple variant="separated" keepMounted={false}>
        {others.map((group) => {
          const inGroup = shown(group.settings);
          const faults = inGroup.filter(({ setting }) => errors.has(setting.name)).length;
          const count = inGroup.filter(({ setting }) => isSet(setting.name)).length;
          return (
            <Accordion.Item key={group.name} value={group.name}>
              <Accordion.Control>
                {titleOf(group, i18n)} {count > 0 && <Badge variant="light">{count}</Badge>}{" "}
                {faults > 0 && <Badge color="red">{faults}</Badge>}
              </Accordion.Control>
              <Accordion.Panel>
                <Fields fields={inGroup} state={state} errors={errors} />
              </Accordion.Panel>
            </Accordion.Item>
          );
        })}
      </Accordion>
    </Stack>
  );
}

function Fields({ fields, state, errors }: { fields: Field[]; state: DraftState; errors: ReadonlyMap<string, string> }) {
  return (
    <Stack>
      {fields.map((field) => (
        <SettingField
          key={`${state.draft.recipe}:${field.setting.name}`}
          field={field}
          recipe={state.draft.recipe}
          value={state.draft.config[field.setting.name]}
          error={errors.get(field.setting.name)}
          onChange={(value) => state.set(field.setting.name, value)}
        />
      ))}
    </Stack>
  );
}
