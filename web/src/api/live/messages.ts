/** What is said between the tabs of one browser, of which one has the stream of events. */

/** A frame of the stream; `run` names the followed run whose event it is, as it was asked for. */
export interface Frame {
  event: string;
  data: string;
  run: string | null;
}

/** Runs to follow, each with the sequence number of the last event that is there. */
export type Wanted = Record<string, number>;

export type Message =
  | { kind: "leads" }
  | { kind: "wants"; tab: string; runs: Wanted; isAgain: boolean }
  | { kind: "leaves"; tab: string }
  | { kind: "frame"; frame: Frame; since: string }
  | { kind: "state"; isOpen: boolean };
