import { defineConfig } from "@lingui/cli";
import { formatter } from "@lingui/format-po";

export default defineConfig({
  sourceLocale: "en",
  locales: ["en", "zh", "ja", "ko"],
  catalogs: [{ path: "<rootDir>/src/locales/{locale}", include: ["src"] }],
  // Line numbers would change with every edit.
  format: formatter({ lineNumbers: false }),
  compileNamespace: "ts",
});
