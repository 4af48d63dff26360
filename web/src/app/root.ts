/** The route above all pages. */
import { createRootRoute } from "@tanstack/react-router";
import { LoginGate } from "./LoginGate";
import { NotFound } from "./NotFound";

export const root = createRootRoute({ component: LoginGate, notFoundComponent: NotFound });
