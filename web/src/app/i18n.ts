/** The languages of the page, loaded when chosen. */
import { i18n } from "@lingui/core";
import { keep, kept } from "../kit/storage";

export const LANGUAGES = { en: "English", zh: "中文", ja: "日本語", ko: "한국어" } as const;
export type Language = keyof typeof LANGUAGES;

const KEY = "finery.language";
/** What `lang` says, by which browsers choose the forms of Han characters. */
const TAGS: Record<Language, string> = { en: "en", zh: "zh-Hans", ja: "ja", ko: "ko" };
const CATALOGS = {
  en: () => import("./texts/en"),
  zh: () => import("./texts/zh"),
  ja: () => import("./texts/ja"),
  ko: () => import("./texts/ko"),
};

/** Returns the language chosen here before, else the first of the browser's that the page has, else English. */
export function preferredLanguage(): Language {
  const wanted = [kept("localStorage", KEY), ...navigator.languages];
  const found = wanted.map((tag) => tag?.slice(0, 2).toLowerCase()).find((tag) => tag && tag in LANGUAGES);
  return (found as Language | undefined) ?? "en";
}

/** The language that was asked for last: its texts may come before those of one that was asked for earlier. */
let wanted: Language | undefined;

export async function activate(language: Language): Promise<void> {
  wanted = language;
  const { messages } = await CATALOGS[language]();
  if (language !== wanted) return;
  i18n.loadAndActivate({ locale: language, messages });
  document.documentElement.lang = TAGS[language];
}

export async function choose(language: Language): Promise<void> {
  keep("localStorage", KEY, language);
  await activate(language);
}
