import type { ErrorComponentProps } from "@tanstack/react-router";
import { ErrorNotice } from "../components/ErrorNotice";

/** Shown in place of a page that could not be shown. */
export function RouteError({ error, reset }: ErrorComponentProps) {
  return <ErrorNotice error={error} onRetry={reset} />;
}
