import { createTheme, type CSSVariablesResolver } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "cyan",
  primaryShade: { light: 9, dark: 5 },
  autoContrast: true,
  defaultRadius: "md",
  // What keeps the page behind a dialog from scrolling writes a style sheet that the policy does not let in.
  components: { Modal: { defaultProps: { lockScroll: false } } },
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", ' +
    '"Hiragino Sans", "Microsoft YaHei", "Malgun Gothic", sans-serif',
});

/** Words on a light ground of their own colour, dark enough to be read (WCAG 2.2, 1.4.3: 4.5 to 1). */
const ON_LIGHT = { green: "#1c6b2f", yellow: "#7a4f01", orange: "#8a3c00", red: "#a51111", blue: "#0b4f8a", cyan: "#0a5566" };

export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: Object.fromEntries(Object.entries(ON_LIGHT).map(([name, dark]) => [`--mantine-color-${name}-light-color`, dark])),
  dark: {},
});
