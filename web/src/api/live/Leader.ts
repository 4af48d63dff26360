/** Has the stream for all tabs of the browser, and knows which runs they follow. */
import { Connection } from "./Connection";
import type { Frame, Wanted } from "./messages";

/** Tabs that begin together are waited for, so that the stream opens once. */
const GATHER_MS = 100;
/** Longer than browsers make timers of hidden tabs wait. */
const FORGET_MS = 200_000;

interface Tab {
  runs: Wanted;
  heardAt: number;
}

export class Leader {
  private readonly tabs = new Map<string, Tab>();
  private readonly positions = new Map<string, number>();
  private readonly connection: Connection;
  private timer: number | undefined;
  isOpen = false;

  constructor(since: string | null, take: (frame: Frame, since: string) => void, tell: (isOpen: boolean) => void) {
    this.connection = new Connection(this.positions, since, take, (isOpen) => {
      this.isOpen = isOpen;
      tell(isOpen);
    });
    this.openSoon();
  }

  /** Takes over what a tab follows. `isAgain`: it lacks events that the stream has sent. */
  want(tab: string, runs: Wanted, isAgain: boolean): void {
    const before = this.tabs.get(tab)?.runs ?? {};
    this.tabs.set(tab, { runs, heardAt: Date.now() });
    let isNew = false;
    for (const [run, after] of Object.entries(runs)) {
      const position = this.positions.get(run);
      // What was sent since the tab wrote this is on its way to it.
      const isLate = position !== undefined && after < position && (isAgain || !(run in before));
      if (position !== undefined && !isLate) continue;
      this.positions.set(run, after);
      isNew = true;
    }
    if (isNew) this.openSoon();
  }

  forget(tab: string): void {
    this.tabs.delete(tab);
  }

  close(): void {
    window.clearTimeout(this.timer);
    this.connection.close();
  }

  private openSoon(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.forgetUnwanted();
      this.connection.open();
    }, GATHER_MS);
  }

  /** The stream goes on with runs that nobody follows any more until it is opened anew. */
  private forgetUnwanted(): void {
    for (const [tab, { heardAt }] of this.tabs) if (Date.now() - heardAt > FORGET_MS) this.tabs.delete(tab);
    const wanted = new Set([...this.tabs.values()].flatMap(({ runs }) => Object.keys(runs)));
    for (const run of this.positions.keys()) if (!wanted.has(run)) this.positions.delete(run);
  }
}
