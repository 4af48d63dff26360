import { Trans, useLingui } from "@lingui/react/macro";
import { Anchor, ScrollArea, Table, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { Token } from "../../api/chat";
import classes from "./Tokens.module.css";

/** The tokens of an answer: the less probable, the darker below; as a table with what else might have come. */
export function Tokens({ tokens }: { tokens: Token[] }) {
  const { i18n } = useLingui();
  const [isTable, { toggle }] = useDisclosure();
  const percent = (logprob: number) =>
    new Intl.NumberFormat(i18n.locale, { style: "percent", maximumFractionDigits: 1 }).format(Math.exp(logprob));
  const rivals = (token: Token) =>
    token.top_logprobs
      .filter((other) => other.token !== token.token)
      .map((other) => `${JSON.stringify(other.token)} ${percent(other.logprob)}`)
      .join(", ");
  return (
    <>
      {isTable ? (
        <ScrollArea.Autosize mah={320} viewportProps={{ tabIndex: 0 }}>
          <Table>
            <Table.Thead>
              <Table.Tr>
                <Table.Th>
                  <Trans>Token</Trans>
                </Table.Th>
                <Table.Th>
                  <Trans>Probability</Trans>
                </Table.Th>
                <Table.Th>
                  <Trans>Instead of it</Trans>
                </Table.Th>
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {tokens.map((token, place) => (
                <Table.Tr key={place}>
                  <Table.Td ff="monospace">{JSON.stringify(token.token)}</Table.Td>
                  <Table.Td>{percent(token.logprob)}</Table.Td>
                  <Table.Td style={{ overflowWrap: "anywhere" }}>{rivals(token)}</Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </ScrollArea.Autosize>
      ) : (
        <Text component="div" className={classes["tokens"] ?? ""}>
          {tokens.map((token, place) => (
            <span
              key={place}
              className={classes["token"]}
              title={`${percent(token.logprob)}\n${rivals(token)}`}
              style={{ borderBottomWidth: 1 + Math.round(4 * (1 - Math.exp(token.logprob))) }}
            >
              {token.token}
            </span>
          ))}
        </Text>
      )}
      <Anchor component="button" type="button" fz="sm" onClick={toggle} style={{ alignSelf: "start" }}>
        {isTable ? <Trans>Show as text</Trans> : <Trans>Show as a table</Trans>}
      </Anchor>
    </>
  );
}
