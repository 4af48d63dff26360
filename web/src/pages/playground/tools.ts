/** Reads the tools that were typed as JSON. */
export function toolsOf(text: string): { tools: unknown[]; problem: string | null } {
  if (text.trim() === "") return { tools: [], problem: null };
  try {
    const found: unknown = JSON.parse(text);
    return { tools: Array.isArray(found) ? found : [found], problem: null };
  } catch (error) {
    return { tools: [], problem: error instanceof Error ? error.message : String(error) };
  }
}
