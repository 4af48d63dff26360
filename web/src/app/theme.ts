import { createTheme, type CSSVariablesResolver } from "@mantine/core";

export const theme = createTheme({
  primaryColor: "cyan",
  // White on it can be read (WCAG 2.2, 1.4.3).
  primaryShade: 9,
  autoContrast: true,
  defaultRadius: "md",
  components: {
    // What keeps the page behind a dialog from scrolling writes a style sheet that the policy does not let in.
    Modal: { defaultProps: { lockScroll: false } },
    // What scrolls can be reached by keyboard.
    TableScrollContainer: { defaultProps: { scrollAreaProps: { viewportProps: { tabIndex: 0 } } } },
  },
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", ' +
    '"Hiragino Sans", "Microsoft YaHei", "Malgun Gothic", sans-serif',
});

/** Words on a light ground of their own colour, dark enough to be read (WCAG 2.2, 1.4.3: 4.5 to 1). */
const ON_LIGHT = { green: "#1c6b2f", yellow: "#7a4f01", orange: "#8a3c00", red: "#a51111", blue: "#0b4f8a", cyan: "#0a5566" };

export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    ...Object.fromEntries(Object.entries(ON_LIGHT).map(([name, dark]) => [`--mantine-color-${name}-light-color`, dark])),
    "--mantine-color-dimmed": "#5c636b",
  },
  dark: { "--mantine-color-dimmed": "#a3a3a3" },
});
