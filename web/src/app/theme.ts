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
    // The head of a dialog is not that of the page, as which its element is told where it says no other role.
    ModalHeader: { defaultProps: { role: "none" } },
    // What scrolls can be reached by keyboard.
    TableScrollContainer: { defaultProps: { scrollAreaProps: { viewportProps: { tabIndex: 0 } } } },
  },
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", ' +
    '"Hiragino Sans", "Microsoft YaHei", "Malgun Gothic", sans-serif',
});

/** Words on a light ground of their own colour, dark enough to be read (WCAG 2.2, 1.4.3: 4.5 to 1). */
const ON_LIGHT = { green: "#1c6b2f", yellow: "#7a4f01", orange: "#8a3c00", red: "#a51111", blue: "#0b4f8a", cyan: "#0a5566" };

/** Words of less weight, examples in empty fields, and errors, which Mantine has too pale for the same measure. */
const WORDS = {
  light: { dimmed: "#565d64", placeholder: "#6a7178", error: "#c01f1f" },
  dark: { dimmed: "#a9afb6", placeholder: "#959ca4", error: "#ff8a8a" },
};

const named = (colors: Record<string, string>, ending = "") =>
  Object.fromEntries(Object.entries(colors).map(([name, color]) => [`--mantine-color-${name}${ending}`, color]));

export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {},
  light: { ...named(ON_LIGHT, "-light-color"), ...named(WORDS.light) },
  dark: named(WORDS.dark),
});
