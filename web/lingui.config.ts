import { defineConfig } from "@lingui/cli";
import { formatter } from "@lingui/format-po";

export default defineConfig({
  sourceLocale: "en",
  locales: ["en", "zh", "ja", "ko"],
  // Each page has the catalogues of its texts beside it; those of the frame and of what pages share lie in app/.
  catalogs: [
    { path: "<rootDir>/src/pages/{name}/locales/{locale}", include: ["<rootDir>/src/pages/{name}"] },
    { path: "<rootDir>/src/app/locales/{locale}", include: ["src/app", "src/api", "src/components", "src/kit"] },
  ],
  // Line numbers would change with every edit.
  format: formatter({ lineNumbers: false }),
  compileNamespace: "ts",
});
