/** What the tour asks of the server: the shipped sample, a small training on it, and an answer of its result. */
import { useMutation } from "@tanstack/react-query";
import { api, dataOf, type Schemas } from "./client";

/** The settings of `finery demo`: a learning rate this high suits a model this small, and no other. */
const SETTINGS = {
  model_name: "finery/tiny-llama",
  num_epochs: 40,
  batch_size: 47,
  learning_rate: 5e-3,
  lr_scheduler: "cosine",
  max_length: 128,
  precision: "fp32",
  save_total_limit: 1,
};
const ANSWER_TOKENS = 48;
const LOOK_MS = 1_000;

export function useStoreSample() {
  return useMutation({
    mutationFn: async () =>
      dataOf(await api.POST("/api/v1/samples/{name}", { params: { path: { name: "instructions" } } })),
  });
}

export function useStartTraining() {
  return useMutation({
    mutationFn: async ({ data, name }: { data: string; name: string }) =>
      dataOf(
        await api.POST("/api/v1/runs", {
          // The type has every setting that there is; what is left out has its default.
          body: {
            recipe: "sft",
            name,
            labels: { made_by: "tour" },
            config: { ...SETTINGS, dataset_path: data },
          } as never,
        }),
      ),
  });
}

/** Serves the run's model, unless it is served already, and asks it. */
export function useAsk(runId: string) {
  return useMutation({
    mutationFn: async (question: string) => {
      const deployment = await served(runId);
      const answer = dataOf(
        await api.POST("/api/v1/deployments/{deployment_id}/chat/completions", {
          params: { path: { deployment_id: deployment.id } },
          body: { messages: [{ role: "user", content: question }], temperature: 0, max_tokens: ANSWER_TOKENS },
        }),
      ) as { choices: { message: { content: string } }[] };
      return answer.choices[0]?.message.content.trim() ?? "";
    },
  });
}

async function served(runId: string): Promise<Schemas["Deployment"]> {
  const { deployments } = dataOf(await api.GET("/api/v1/deployments"));
  const found = deployments.find((each) => each.model_name === runId && !["stopping", "stopped", "failed"].includes(each.status));
  let deployment = found ?? dataOf(await api.POST("/api/v1/deployments", { body: { model: runId } as Schemas["CreateDeploymentRequest"] }));
  while (deployment.status === "starting") {
    await new Promise((wake) => window.setTimeout(wake, LOOK_MS));
    const path = { deployment_id: deployment.id };
    deployment = dataOf(await api.GET("/api/v1/deployments/{deployment_id}", { params: { path } }));
  }
  if (deployment.status !== "running") throw new Error(deployment.error ?? deployment.status);
  return deployment;
}
