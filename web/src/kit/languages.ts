/** Returns a language or script, given by its code, in the words of a language of the page. */
export function nameOfWriting(code: string, locale: string): string {
  // Scripts have codes of four letters (ISO 15924).
  const type = code.length === 4 ? "script" : "language";
  return new Intl.DisplayNames([locale], { type }).of(code) ?? code;
}
