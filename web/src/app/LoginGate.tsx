import { Center, Loader } from "@mantine/core";
import { ApiError } from "../api/client";
import { useMe } from "../api/account";
import { useNewsOfSession, useOwnTab } from "../api/session";
import { ErrorNotice } from "../components/ErrorNotice";
import { Login } from "../pages/login/Login";
import { Shell } from "./Shell";

/** Tells whether the server wants to know who asks; one without accounts knows those at its own machine. */
const isUnknownHere = (error: ApiError) => error.status === 401 || error.code === "loopback_only";

/** Shows the pages to whoever is logged in, and the login to others. */
export function LoginGate() {
  const me = useMe();
  const isOwnTab = useOwnTab(me.data);
  useNewsOfSession();
  if (me.error instanceof ApiError && isUnknownHere(me.error)) return <Login />;
  if (me.isPending || !isOwnTab)
    return (
      <Center h="100vh">
        <Loader />
      </Center>
    );
  if (me.data === undefined)
    return (
      <Center h="100vh" p="md">
        <ErrorNotice error={me.error} onRetry={() => me.refetch()} />
      </Center>
    );
  return <Shell me={me.data} />;
}
