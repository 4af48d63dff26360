import { join } from "./join";

export const messages = join(import.meta.glob("../../**/locales/en.po", { eager: true }));
