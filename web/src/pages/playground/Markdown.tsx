import { Anchor, Code, Typography } from "@mantine/core";
import ReactMarkdown, { type Components } from "react-markdown";
import classes from "./Markdown.module.css";

const PARTS: Components = {
  a: ({ href, children }) => (
    <Anchor href={href} target="_blank" rel="noopener noreferrer">
      {children}
    </Anchor>
  ),
  // Nothing is fetched from elsewhere.
  img: ({ alt, src }) => <Code>{`![${alt ?? ""}](${typeof src === "string" ? src : ""})`}</Code>,
  // The headings of an answer are not those of the page.
  ...Object.fromEntries(["h1", "h2", "h3", "h4"].map((name) => [name, Heading])),
};

/** An answer's Markdown; HTML in it stays text. */
export function Markdown({ text }: { text: string }) {
  return (
    <Typography className={classes["answer"] ?? ""}>
      <ReactMarkdown components={PARTS}>{text}</ReactMarkdown>
    </Typography>
  );
}

function Heading({ children }: { children?: React.ReactNode }) {
  return (
    <p>
      <strong>{children}</strong>
    </p>
  );
}
