import type { Variable } from "./variable.ts";
import { sections } from "./variables.ts";

const introduction = `# Configuration

<!-- Made by \`npm run generate\` from src/config/variables.ts. -->

sessiond reads its settings from variables of the environment, once, at the start.

- A blank variable counts as unset.
- One pair of quotes around a value, left there by an env file, is removed. The log says so.
- A value that breaks its rule stops the start. The message names the variable and never repeats a secret.
- A variable that begins with \`SESSIOND_\` and is not listed here has no effect. The log says so, and names the nearest one.
- The values of variables marked "secret" never reach logs, errors or answers.
`;

type Row = readonly [name: string, variable: Variable<unknown>];

/** Returns the page docs/configuration.md. */
export function configurationPage(): string {
  const parts = Object.entries(sections).map(([title, table]) => sectionOf(title, Object.entries(table)));
  return `${[introduction, ...parts].join("\n")}`;
}

function sectionOf(title: string, rows: readonly Row[]): string {
  const shown = rows.filter(([, { isHidden, aliasOf }]) => !isHidden && aliasOf === undefined);
  const lines = shown.map((row) => lineOf(row, rows));
  return [`## ${title}`, "", "| variable | default | values | meaning |", "|---|---|---|---|", ...lines, ""].join("\n");
}

function lineOf([name, variable]: Row, rows: readonly Row[]): string {
  const names = [name, ...rows.filter(([, { aliasOf }]) => aliasOf === name).map(([alias]) => alias)];
  const { kind, description, isSecret } = variable;
  const values = [kind.accepts, isSecret ? "secret" : ""].filter((part) => part !== "").join("; ");
  const cells = [names.map((each) => `\`${each}\``).join(", "), defaultOf(variable), values, description];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function defaultOf({ kind, fallback, shownDefault }: Variable<unknown>): string {
  if (shownDefault !== undefined) return shownDefault;
  const text = fallback === undefined ? "" : kind.show(fallback);
  return text === "" ? "" : `\`${text}\``;
}
