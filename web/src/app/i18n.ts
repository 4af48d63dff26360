/** The languages of the page, loaded when chosen. */
import { i18n } from "@lingui/core";

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
  const wanted = [localStorage.getItem(KEY), ...navigator.languages];
  const found = wanted.map((tag) => tag?.slice(0, 2).toLowerCase()).find((tag) => tag && tag in LANGUAGES);
  return (found as Language | undefined) ?? "en";
}

export async function activate(language: Language): Promise<void> {
  const { messages } = await CATALOGS[language]();
  i18n.loadAndActivate({ locale: language, messages });
  document.documentElement.lang = TAGS[language];
}

export async function choose(language: Language): Promise<void> {
  localStorage.setItem(KEY, language);
  await activate(language);
}
