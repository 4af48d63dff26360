import { Anchor, Table } from "@mantine/core";
import { Link } from "@tanstack/react-router";
import type { ComparedRun } from "../../api/comparedRuns";
import { nameOf } from "./lines";

/** The head of a table with a column for each run. */
export function RunHeads({ compared, first }: { compared: ComparedRun[]; first: React.ReactNode }) {
  return (
    <Table.Thead>
      <Table.Tr>
        <Table.Th>{first}</Table.Th>
        {compared.map((one, place) => (
          <Table.Th key={one.run.uid} style={{ overflowWrap: "anywhere" }}>
            {place + 1}{" "}
            <Anchor component={Link} to={`/runs/${one.run.uid}`} fz="sm">
              {nameOf(one)}
            </Anchor>
          </Table.Th>
        ))}
      </Table.Tr>
    </Table.Thead>
  );
}
