import { useLingui } from "@lingui/react/macro";
import { Text } from "@mantine/core";
import { useNow } from "../kit/clock";
import { ageOf, instantOf } from "../kit/time";

/** How long ago something was; the exact time in the reader's zone appears on hover. */
export function Age({ at }: { at: string | null | undefined }) {
  const { i18n } = useLingui();
  const now = useNow();
  if (!at) return <>—</>;
  return (
    <Text component="time" inherit dateTime={at} title={instantOf(at, i18n.locale)}>
      {ageOf(at, now, i18n.locale)}
    </Text>
  );
}
