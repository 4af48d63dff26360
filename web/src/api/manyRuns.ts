/** The same asked of several runs, a few at a time; what one refuses does not keep the others from it. */
import { useMutation, useQueries, useQueryClient } from "@tanstack/react-query";
import { api, dataOf, type Run } from "./client";

const AT_ONCE = 4;

export type ManyRunsRequest =
  | { kind: "cancel" }
  | { kind: "delete" }
  /** An empty value takes the label away. */
  | { kind: "label"; name: string; value: string };

export interface ManyRunsResult {
  done: Run[];
  refused: { run: Run; message: string }[];
}

/** Returns those runs, as the server has them now. */
export function useRunsByIds(ids: readonly string[]) {
  const answers = useQueries({
    queries: ids.map((id) => ({
      queryKey: ["run", id],
      queryFn: async () => dataOf(await api.GET("/api/v1/runs/{run_id}", { params: { path: { run_id: id } } })),
    })),
  });
  return {
    runs: answers.flatMap((answer) => (answer.data ? [answer.data] : [])),
    isPending: answers.some((answer) => answer.isPending),
    error: answers.find((answer) => answer.error)?.error ?? null,
  };
}

export function useManyRuns() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ runs, request }: { runs: Run[]; request: ManyRunsRequest }) => askAll(runs, request),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ["runs"] }),
        client.invalidateQueries({ queryKey: ["run"], refetchType: "none" }),
      ]),
  });
}

async function askAll(runs: readonly Run[], request: ManyRunsRequest): Promise<ManyRunsResult> {
  const result: ManyRunsResult = { done: [], refused: [] };
  const left = [...runs];
  const work = async () => {
    for (let run = left.shift(); run !== undefined; run = left.shift()) {
      try {
        await ask(run, request);
        result.done.push(run);
      } catch (error) {
        result.refused.push({ run, message: error instanceof Error ? error.message : String(error) });
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return result;
}

async function ask(run: Run, request: ManyRunsRequest): Promise<void> {
  const params = { path: { run_id: run.uid } };
  if (request.kind === "cancel") await api.POST("/api/v1/runs/{run_id}/cancel", { params });
  else if (request.kind === "delete") await api.DELETE("/api/v1/runs/{run_id}", { params });
  else await api.PATCH("/api/v1/runs/{run_id}", { params, body: { labels: labelled(run, request) } });
}

function labelled(run: Run, { name, value }: { name: string; value: string }): Record<string, string> {
  const { [name]: _, ...others } = run.labels;
  return value === "" ? others : { ...others, [name]: value };
}
