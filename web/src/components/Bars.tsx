import { Text } from "@mantine/core";
import { useLingui } from "@lingui/react/macro";
import classes from "./Bars.module.css";

export interface Bar {
  label: string;
  count: number;
}

/** Shares of a whole as horizontal bars, with their numbers. */
export function Bars({ bars }: { bars: Bar[] }) {
  const { i18n } = useLingui();
  const total = bars.reduce((sum, { count }) => sum + count, 0);
  const most = Math.max(1, ...bars.map(({ count }) => count));
  const percent = new Intl.NumberFormat(i18n.locale, { style: "percent", maximumFractionDigits: 1 });
  return (
    <dl className={classes["bars"]}>
      {bars.map(({ label, count }) => (
        <div key={label}>
          <Text component="dt" fz="sm">
            {label}
          </Text>
          <Text component="dd" fz="sm" m={0}>
            {i18n.number(count)} · {percent.format(total > 0 ? count / total : 0)}
            <span className={classes["bar"]} style={{ width: `${(100 * count) / most}%` }} aria-hidden />
          </Text>
        </div>
      ))}
    </dl>
  );
}
