import "@mantine/core/styles.css";
import "uplot/dist/uPlot.min.css";
import { i18n } from "@lingui/core";
import { I18nProvider } from "@lingui/react";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { activate, preferredLanguage } from "./app/i18n";
import { queryClient } from "./app/queryClient";
import { router } from "./app/router";
import { cssVariablesResolver } from "./app/theme";
import { Themed } from "./app/Themed";

/** The value with which this answer's style sheets are let in by its Content-Security-Policy. */
const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";
// What stops scrolling behind a dialog adds a style sheet, and looks for the value under this name.
Object.assign(globalThis, { __webpack_nonce__: nonce });

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no root");
await activate(preferredLanguage());
createRoot(root).render(
  <StrictMode>
    <I18nProvider i18n={i18n}>
      <Themed cssVariablesResolver={cssVariablesResolver} defaultColorScheme="auto" getStyleNonce={() => nonce}>
        <QueryClientProvider client={queryClient}>
          <RouterProvider router={router} />
        </QueryClientProvider>
      </Themed>
    </I18nProvider>
  </StrictMode>,
);
