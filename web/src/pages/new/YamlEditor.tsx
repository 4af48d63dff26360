import { yaml } from "@codemirror/lang-yaml";
import { useLingui } from "@lingui/react/macro";
import { Text, useComputedColorScheme } from "@mantine/core";
import CodeMirror, { EditorView } from "@uiw/react-codemirror";
import { useEffect, useState } from "react";
import { parse, stringify } from "yaml";
import type { Config } from "../../kit/settings";

const nonce = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? "";

export interface YamlEditorProps {
  config: Config;
  onChange: (config: Config) => void;
  /** Told whether what is typed cannot be taken over. */
  onFault: (isFaulty: boolean) => void;
}

/** An editor of the settings. Whatever is typed stays; what is an object of settings is taken over. */
export default function YamlEditor({ config, onChange, onFault }: YamlEditorProps) {
  const { t } = useLingui();
  const scheme = useComputedColorScheme("light");
  const [typed, setTyped] = useState<string>();
  const read = typed === undefined ? undefined : configOf(typed);
  // As long as what was typed means what the form holds, it is left as it is.
  const isCurrent = read !== undefined && JSON.stringify(read) === JSON.stringify(config);
  const hasFault = typed !== undefined && read === undefined;
  useEffect(() => {
    onFault(hasFault);
    return () => onFault(false);
  }, [hasFault, onFault]);
  return (
    <>
      <CodeMirror
        value={typed !== undefined && (isCurrent || hasFault) ? typed : textOf(config)}
        theme={scheme}
        minHeight="12rem"
        maxHeight="70vh"
        extensions={[
          yaml(),
          EditorView.cspNonce.of(nonce),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": t`Settings as YAML` }),
        ]}
        basicSetup={{ foldGutter: false, autocompletion: false }}
        onChange={(text) => {
          setTyped(text);
          const next = configOf(text);
          if (next !== undefined) onChange(next);
        }}
      />
      {hasFault && (
        <Text fz="sm" c="red" role="alert">
          {t`This is no YAML of settings yet; until it is, the form keeps what it had and cannot be changed.`}
        </Text>
      )}
    </>
  );
}

function textOf(config: Config): string {
  return Object.keys(config).length === 0 ? "" : stringify(config, { lineWidth: 0 });
}

function configOf(text: string): Config | undefined {
  try {
    const found: unknown = parse(text);
    if (found === null || found === undefined) return {};
    return typeof found === "object" && !Array.isArray(found) ? (found as Config) : undefined;
  } catch {
    return undefined;
  }
}
