import { join } from "./join";

export const messages = join(import.meta.glob("../../**/locales/ko.po", { eager: true }));
