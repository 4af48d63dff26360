import { Trans } from "@lingui/react/macro";
import { Code } from "@mantine/core";
import { textOfValue, type Setting } from "../../kit/settings";

/** What a setting means, in which unit it is, what it takes, and what holds without it. */
export function SettingHelp({ setting }: { setting: Setting }) {
  const { description, unit, bounds, takes_auto: takesAuto, auto_rule: rule } = setting;
  // How long a text may be is told when it is too long.
  const limits = bounds.includes("characters") ? "" : inSigns(bounds);
  const facts = [unit, limits].filter(Boolean).join(", ");
  const byDefault = textOfValue(setting.default);
  return (
    <span style={{ overflowWrap: "anywhere" }}>
      <Marked text={description} />
      {facts && ` (${facts})`}
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

/** Returns bounds in signs, which need no language: `1–4,096`, `> 0, ≤ 10`, `≤ 16`. */
function inSigns(bounds: string): string {
  return bounds
    .replaceAll(/(\S+) to (\S+)/g, "$1–$2")
    .replaceAll("at most", "≤")
    .replaceAll("at least", "≥")
    .replaceAll("above", ">")
    .replaceAll("below", "<")
    .replaceAll(/ (items|entries)/g, "");
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
