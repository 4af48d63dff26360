import { Trans, useLingui } from "@lingui/react/macro";
import { Code } from "@mantine/core";
import { textOfValue, type Setting } from "../../kit/settings";

/** What a setting means, in which unit it is, what it takes, and what holds without it. */
export function SettingHelp({ setting }: { setting: Setting }) {
  const { t } = useLingui();
  const { description, unit, bounds, takes_auto: takesAuto, auto_rule: rule } = setting;
  // How long a text may be is told when it is too long.
  const limits = setting.type.startsWith("string") ? "" : bounds;
  const both = t`${unit}, ${limits}`;
  const facts = unit && limits ? both : unit || limits;
  const byDefault = textOfValue(setting.default);
  return (
    <span style={{ overflowWrap: "anywhere" }}>
      <Marked text={description} />
      {facts && t` (${facts})`}
      {byDefault !== "" && byDefault !== "[]" && (
        <>
          {" "}
          <Trans>Default: {byDefault}.</Trans>
        </>
      )}
      {takesAuto && (
        <>
          {" "}
          <Trans>auto: {rule}.</Trans>
        </>
      )}
    </span>
  );
}

/** A text in which what stands between backticks is code. */
function Marked({ text }: { text: string }) {
  return text.split("`").map((part, place) =>
    place % 2 === 1 ? (
      <Code key={place} fz="inherit">
        {part}
      </Code>
    ) : (
      part
    ),
  );
}
