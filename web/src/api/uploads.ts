/** Files that become datasets: sent in parts, and gone on with after any interruption, a reload of the page included. */
import { t } from "@lingui/core/macro";
import { useMutation, useMutationState, useQuery, useQueryClient, type QueryClient } from "@tanstack/react-query";
import { sha256Of } from "../kit/sha256";
import { ApiError, api, dataOf, type Schemas } from "./client";

export type Upload = Schemas["DatasetUpload"];
export type Dataset = Schemas["Dataset"];

/** What becomes of the file: a new dataset, or the next version of one. */
export interface UploadTarget {
  datasetId?: string;
  name?: string;
  note?: string;
  shared?: boolean;
}

export interface UploadRequest extends UploadTarget {
  file: File;
  /** The upload, of one that was interrupted or has begun; else one of the file's name and size is looked for. */
  uploadId?: string;
  /** Ends the sending; what was sent stays at the server, and is gone on with when the file is chosen again. */
  stop: AbortController;
}

const KEY = ["uploads"];
const COME_BACK_MS = 2_000;
/** Of a file name, at the server. */
const SHOWN_LETTERS = 200;
/** Answers of a server that is away or busy, or that has more of the file than this page knows. */
const PASSING = new Set([0, 429, 502, 503, 504]);

/** Returns the uploads that wait for a part, those of other pages and earlier visits too. */
export function useWaitingUploads() {
  return useQuery({
    queryKey: KEY,
    queryFn: async () => dataOf(await api.GET("/api/v1/uploads")).uploads,
    staleTime: 30_000,
  });
}

/** Returns the requests whose files this page is sending at the moment, whichever part of it began them. */
export function useSending(): UploadRequest[] {
  return useMutationState({
    filters: { mutationKey: KEY, status: "pending" },
    select: (mutation) => mutation.state.variables as UploadRequest,
  });
}

/** Returns why uploads of this page ended before they were complete, but for those that were stopped on request. */
export function useUploadFailures(): Error[] {
  const ended = useMutationState({
    filters: { mutationKey: KEY, status: "error" },
    select: ({ state }) => ({ error: state.error as Error, request: state.variables as UploadRequest }),
  });
  return ended.filter(({ request }) => !request.stop.signal.aborted).map(({ error }) => error);
}

/** Sends a file; it goes on when the component that asked for it has gone. Results in the dataset. */
export function useUpload() {
  const client = useQueryClient();
  return useMutation({
    mutationKey: KEY,
    // One after the other.
    scope: { id: "uploads" },
    mutationFn: (request: UploadRequest) => send(request, client),
    onSettled: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: KEY }),
        client.invalidateQueries({ queryKey: ["datasets"] }),
        client.invalidateQueries({ queryKey: ["dataset"] }),
        client.invalidateQueries({ queryKey: ["check"] }),
      ]),
  });
}

/** Ends all sending of this page, also what has not begun. */
export function stopUploads(client: QueryClient): void {
  for (const { state } of client.getMutationCache().findAll({ mutationKey: KEY }))
    (state.variables as UploadRequest | undefined)?.stop.abort();
}

export function useDiscardUpload() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) => api.DELETE("/api/v1/uploads/{upload_id}", { params: { path: { upload_id: id } } }),
    onSettled: () => client.invalidateQueries({ queryKey: KEY }),
  });
}

/** Returns the waiting upload that a request goes on with, or would: of the file's name and size. */
export function uploadOf({ file, uploadId }: UploadRequest, waiting: readonly Upload[]): Upload | undefined {
  if (uploadId !== undefined) return waiting.find(({ id }) => id === uploadId);
  const name = shownName(file.name);
  return waiting.find(({ filename, size_bytes: size }) => filename === name && size === file.size);
}

/** Returns a file's name as the server keeps it: without what it does not print. */
function shownName(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? "";
  const printed = last.replace(/(?! )[\p{C}\p{Z}]/gu, "");
  return Array.from(printed).slice(0, SHOWN_LETTERS).join("") || "unnamed";
}

async function send(request: UploadRequest, client: QueryClient): Promise<Dataset> {
  const { file, stop } = request;
  // It may have been stopped while it waited for another.
  stop.signal.throwIfAborted();
  let upload = (await begunBefore(request)) ?? (await begin(file));
  request.uploadId = upload.id;
  while (upload.received_bytes < file.size) {
    show(upload, client);
    try {
      upload = await sendPart(upload, file, stop.signal);
    } catch (error) {
      if (stop.signal.aborted || !isPassing(error)) throw error;
      upload = await lookAgain(upload, stop.signal);
    }
  }
  show(upload, client);
  return complete(upload, request);
}

async function begin(file: File): Promise<Upload> {
  return dataOf(await api.POST("/api/v1/uploads", { body: { filename: file.name, size_bytes: file.size } }));
}

/** Returns the upload of this file that was interrupted, where what has come of it is what the file holds. */
async function begunBefore(request: UploadRequest): Promise<Upload | undefined> {
  const found = uploadOf(request, dataOf(await api.GET("/api/v1/uploads")).uploads);
  if (found?.size_bytes !== request.file.size) return undefined;
  const { parts, ...upload } = await uploadWithParts(found.id);
  for (const { start, size_bytes: size, sha256 } of parts)
    if ((await sha256Of(await bytesOf(request.file, start, size))) !== sha256) return undefined;
  return upload;
}

async function bytesOf(file: File, start: number, size: number): Promise<ArrayBuffer> {
  try {
    return await file.slice(start, start + size).arrayBuffer();
  } catch {
    const { name } = file;
    throw new Error(t`“${name}” can no longer be read: it was changed, moved or deleted. Choose it again.`);
  }
}

async function sendPart(upload: Upload, file: File, signal: AbortSignal): Promise<Upload> {
  const start = upload.received_bytes;
  const form = new FormData();
  form.set("start", String(start));
  // Read here: a request whose file cannot be read fails like one that does not reach the server.
  form.set("data", new Blob([await bytesOf(file, start, upload.part_bytes)]), "part");
  return dataOf(
    await api.POST("/api/v1/uploads/{upload_id}/parts", {
      params: { path: { upload_id: upload.id } },
      body: { data: "", start },
      bodySerializer: () => form,
      signal,
    }),
  );
}

/** Waits until the server answers again, and returns what it has by then. */
async function lookAgain(upload: Upload, signal: AbortSignal): Promise<Upload> {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, COME_BACK_MS));
    if (signal.aborted) throw new DOMException("stopped", "AbortError");
    try {
      return await uploadWithParts(upload.id);
    } catch (error) {
      if (!isPassing(error)) throw error;
    }
  }
}

async function uploadWithParts(id: string): Promise<Schemas["UploadDetails"]> {
  return dataOf(await api.GET("/api/v1/uploads/{upload_id}", { params: { path: { upload_id: id } } }));
}

/** Completes an upload; asked again, after an answer that was lost, the server answers with the same dataset. */
async function complete(upload: Upload, target: UploadRequest): Promise<Dataset> {
  for (;;) {
    try {
      return await completeOnce(upload.id, target);
    } catch (error) {
      if (!isPassing(error)) throw error;
      await lookAgain(upload, target.stop.signal);
    }
  }
}

async function completeOnce(id: string, target: UploadTarget): Promise<Dataset> {
  const { datasetId, name, note, shared = false } = target;
  return dataOf(
    await api.POST("/api/v1/uploads/{upload_id}/complete", {
      params: { path: { upload_id: id } },
      body: {
        ...(datasetId ? { dataset_id: datasetId } : {}),
        ...(name ? { name } : {}),
        ...(note ? { note } : {}),
        shared,
      },
    }),
  );
}

function show(upload: Upload, client: QueryClient): void {
  client.setQueryData<Upload[]>(KEY, (before = []) => [upload, ...before.filter((each) => each.id !== upload.id)]);
}

function isPassing(error: unknown): boolean {
  return error instanceof ApiError && (PASSING.has(error.status) || error.code === "part_misplaced");
}
