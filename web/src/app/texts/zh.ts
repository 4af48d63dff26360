import { join } from "./join";

export const messages = join(import.meta.glob("../../**/locales/zh.po", { eager: true }));
