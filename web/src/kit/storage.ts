/** What the browser keeps for the page. A browser that refuses, or is full, keeps nothing, and the page works without. */

type Area = "localStorage" | "sessionStorage";

export function kept(area: Area, key: string): string | null {
  try {
    return window[area].getItem(key);
  } catch {
    return null;
  }
}

/** Keeps the text; where it cannot, what was kept before goes too, since it is out of date. */
export function keep(area: Area, key: string, text: string): void {
  try {
    window[area].setItem(key, text);
  } catch {
    drop(area, key);
  }
}

export function drop(area: Area, key: string): void {
  try {
    window[area].removeItem(key);
  } catch {
    // Nothing was kept.
  }
}

export function dropAll(area: Area): void {
  try {
    window[area].clear();
  } catch {
    // Nothing was kept.
  }
}
