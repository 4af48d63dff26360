// The `openai` package for Node: files, a job, answers plain, streamed, parsed and with tools, and errors.
"use strict";
const assert = require("node:assert/strict");
const OpenAI = require("openai").OpenAI;

const { MODEL, BASE, JOB, TRAINING_FILE } = process.env;
const ask = { model: MODEL, messages: [{ role: "user", content: "The app freezes." }], temperature: 0 };
const schema = {
  type: "object",
  properties: { queue: { enum: ["billing", "crash"] }, urgent: { type: "boolean" } },
  required: ["queue", "urgent"],
  additionalProperties: false,
};

async function main() {
  const client = new OpenAI();
  await files(client);
  await jobs(client);
  await answers(client);
  await errors(client);
}

async function files(client) {
  const row = { messages: [{ role: "user", content: "It hums." }, { role: "assistant", content: "noise" }] };
  const rows = `${JSON.stringify(row)}\n`.repeat(12);
  const file = await OpenAI.toFile(Buffer.from(rows), "rows.jsonl");
  const made = await client.files.create({ file, purpose: "fine-tune" });
  assert.equal(made.bytes, Buffer.byteLength(rows));
  assert.equal((await client.files.retrieve(made.id)).id, made.id);
  assert.equal(await (await client.files.content(made.id)).text(), rows);
  const ids = [];
  for await (const found of client.files.list({ purpose: "fine-tune", limit: 1 })) ids.push(found.id);
  assert.ok(ids.includes(made.id) && ids.includes(TRAINING_FILE));
  assert.equal((await client.files.delete(made.id)).deleted, true);
}

async function jobs(client) {
  const trained = await client.fineTuning.jobs.retrieve(JOB);
  assert.deepEqual([trained.status, trained.fine_tuned_model], ["succeeded", MODEL]);
  const events = await client.fineTuning.jobs.listEvents(JOB, { limit: 5 });
  assert.equal(events.data.length, 5);
  const checkpoints = await client.fineTuning.jobs.checkpoints.list(JOB);
  assert.ok(checkpoints.data[0].fine_tuned_model_checkpoint.startsWith(MODEL));
  const made = await client.fineTuning.jobs.create({ model: BASE, training_file: TRAINING_FILE, suffix: "node" });
  assert.equal((await client.fineTuning.jobs.cancel(made.id)).id, made.id);
  const newest = await client.fineTuning.jobs.list({ limit: 1 });
  assert.equal(newest.data[0].id, made.id);
}

async function answers(client) {
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  assert.ok(names.includes(MODEL));
  const plain = await client.chat.completions.create({ ...ask, max_completion_tokens: 8 });
  assert.equal(plain.choices[0].message.content, "crash");
  const stream = await client.chat.completions.create({ ...ask, max_completion_tokens: 8, stream: true });
  let text = "";
  for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
  assert.equal(text, "crash");
  const live = client.chat.completions.stream({ ...ask, max_completion_tokens: 8 });
  assert.equal((await live.finalChatCompletion()).choices[0].message.content, "crash");
  const parsed = await client.chat.completions.parse({
    ...ask,
    max_completion_tokens: 320,
    response_format: { type: "json_schema", json_schema: { name: "ticket", schema, strict: true } },
  });
  assert.ok(["billing", "crash"].includes(JSON.parse(parsed.choices[0].message.content).queue));
  const calling = await client.chat.completions.create({
    ...ask,
    max_completion_tokens: 320,
    tools: [{ type: "function", function: { name: "route", parameters: schema } }],
    tool_choice: "required",
  });
  const call = calling.choices[0].message.tool_calls[0].function;
  assert.equal(call.name, "route");
  assert.ok(["billing", "crash"].includes(JSON.parse(call.arguments).queue));
  const completion = await client.completions.create({ model: MODEL, prompt: "The app", max_tokens: 4 });
  assert.ok(completion.usage.completion_tokens <= 4);
}

async function errors(client) {
  await assert.rejects(client.chat.completions.create({ ...ask, model: "gpt-0" }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create({ ...ask, temperature: 9 }), (error) => {
    return error instanceof OpenAI.BadRequestError && error.param === "temperature";
  });
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
