import { useLingui } from "@lingui/react/macro";
import { MantineProvider, mergeThemeOverrides, type MantineProviderProps } from "@mantine/core";
import { theme } from "./theme";

/** The theme, with the names of the buttons that its components bring along in the reader's language. */
export function Themed(props: Omit<MantineProviderProps, "theme">) {
  const { t } = useLingui();
  const names = {
    components: {
      Modal: { defaultProps: { closeButtonProps: { "aria-label": t`Close` } } },
      PasswordInput: { defaultProps: { visibilityToggleButtonProps: { "aria-label": t`Show what is typed` } } },
    },
  };
  return <MantineProvider {...props} theme={mergeThemeOverrides(theme, names)} />;
}
