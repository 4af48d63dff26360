/** Rows of the shipped sample in each language: what the model is asked, and what it was taught to answer. */

interface Lesson {
  question: string;
  answer: string;
}

export const LESSONS: Record<string, Lesson> = {
  en: { question: "What is Finery?", answer: "Finery is a self-hosted server for fine-tuning language models." },
  zh: { question: "Finery 是什么？", answer: "Finery 是一个自托管的语言模型微调服务器。" },
  ja: { question: "Finery とは何ですか？", answer: "Finery は言語モデルを微調整する自前のサーバーです。" },
  ko: { question: "Finery가 무엇인가요?", answer: "Finery는 언어 모델을 미세 조정하는 자체 호스팅 서버입니다." },
};

/** Returns the row in the language, or the English one. */
export function lessonOf(language: string): Lesson {
  return LESSONS[language] ?? (LESSONS["en"] as Lesson);
}
