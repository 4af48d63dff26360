import { lingui } from "@lingui/vite-plugin";
import babel from "@rolldown/plugin-babel";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  base: "/ui/",
  plugins: [
    react(),
    babel({ plugins: ["@lingui/babel-plugin-lingui-macro"] }),
    // A text that lacks a language fails the build.
    lingui({ failOnMissing: true, failOnCompileError: true }),
  ],
  // The server replaces the placeholder by a value of its own in each answer.
  html: { cspNonce: "%CSP_NONCE%" },
  build: {
    outDir: "../src/finery/web/dist",
    emptyOutDir: true,
    // A data URL in a style sheet would need another rule in the policy.
    assetsInlineLimit: 0,
    rolldownOptions: {
      output: {
        // What pages share is one file, not one for each component.
        codeSplitting: { groups: [{ name: "shared", test: /\/src\/(api|app|components|kit)\/.*\.tsx?$/, minShareCount: 2 }] },
      },
    },
  },
  server: { proxy: { "/api": "http://127.0.0.1:8000" } },
});
