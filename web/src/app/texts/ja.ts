import { join } from "./join";

export const messages = join(import.meta.glob("../../**/locales/ja.po", { eager: true }));
