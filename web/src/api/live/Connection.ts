/** The one stream of events, which comes back by itself from where it was. */
import type { Frame } from "./messages";

const EVENTS = ["run", "gone", "ready", "stale"];
const RUN_EVENTS = ["status", "intent", "stage", "progress", "evaluation", "checkpoint", "sample", "notice", "result"];
const COME_BACK_MS = 1_000;
const MOST_COME_BACK_MS = 15_000;
/** As many as the server follows on one stream. */
const MOST_RUNS = 50;

export class Connection {
  /** The runs of this stream in the order of its address, in which the ids of its frames count them. */
  private order: string[] = [];
  private source: EventSource | undefined;
  private timer: number | undefined;
  private wait = COME_BACK_MS;

  /** `positions` are the runs to follow with their last sequence numbers; they count along. */
  constructor(
    private readonly positions: Map<string, number>,
    private since: string | null,
    private readonly take: (frame: Frame, since: string) => void,
    private readonly tell: (isOpen: boolean) => void,
  ) {}

  /** Opens the stream, or opens it anew for other runs, from where it is. */
  open(): void {
    this.leave();
    this.order = [...this.positions.keys()].slice(0, MOST_RUNS);
    const source = new EventSource(this.address());
    this.source = source;
    source.onopen = () => {
      this.wait = COME_BACK_MS;
      this.tell(true);
    };
    for (const event of [...EVENTS, ...RUN_EVENTS])
      source.addEventListener(event, (message: MessageEvent<string>) => this.receive(event, message));
    // Browsers come back by themselves from some failures only, and to the address of the first request.
    source.onerror = () => this.comeBack();
  }

  close(): void {
    this.leave();
    this.tell(false);
  }

  private leave(): void {
    window.clearTimeout(this.timer);
    this.source?.close();
  }

  private comeBack(): void {
    this.close();
    this.timer = window.setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(2 * this.wait, MOST_COME_BACK_MS);
  }

  private address(): string {
    const query = new URLSearchParams();
    for (const run of this.order) query.append("run", `${run}:${this.positions.get(run) ?? 0}`);
    if (this.since !== null) query.set("since", this.since);
    return `/api/v1/events/stream?${query.toString()}`;
  }

  private receive(event: string, message: MessageEvent<string>): void {
    const [epoch, number, ...sequences] = message.lastEventId.split(".");
    this.since = `${epoch}.${number}`;
    let run: string | null = null;
    this.order.forEach((named, place) => {
      const sequence = Number(sequences[place]);
      if (sequence === this.positions.get(named)) return;
      this.positions.set(named, sequence);
      run = named;
    });
    this.take({ event, data: message.data, run: RUN_EVENTS.includes(event) ? run : null }, this.since);
  }
}
