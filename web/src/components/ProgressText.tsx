import { Trans } from "@lingui/react/macro";
import type { Run } from "../api/client";
import { shortNumber } from "../kit/numbers";
import { spanOf } from "../kit/time";

/** How far a run has come: percent, step, last loss, time left. */
export function ProgressText({ run }: { run: Run }) {
  const { fraction, step, total_steps: total, loss, eta_seconds: eta, stage } = run.progress;
  if (run.status === "queued") return <>—</>;
  const parts = [
    `${Math.floor(fraction * 100)} %`,
    step != null && total != null ? `${step} / ${total}` : null,
    run.status === "running" && stage ? stage : null,
    loss != null ? `loss ${shortNumber(loss)}` : null,
  ].filter((part) => part !== null);
  return (
    <>
      {parts.join(" · ")}
      {run.status === "running" && eta != null && (
        <>
          {" · "}
          <Trans>{spanOf(eta)} left</Trans>
        </>
      )}
    </>
  );
}
