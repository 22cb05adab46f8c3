import type { JsonValue } from "@bufbuild/protobuf";
import { html } from "htm/preact";
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import type { ConfigDraft } from "./config-draft.ts";
import { type JsonPath, valueAt } from "./json-path.ts";

/** Field of a form for one part of a configuration. */
export interface FieldProps {
  readonly draft: ConfigDraft;
  readonly path: JsonPath;
  readonly label: string;
  readonly hint?: string;
}

interface EditEvent {
  readonly currentTarget: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;
}

/** Returns the sentences about a part and about what is in it. */
export function violationsAt(draft: ConfigDraft, path: JsonPath): string[] {
  const field = ["config", ...path].join(".");
  return draft.violations.value
    .filter((violation) => violation.field === field || violation.field.startsWith(`${field}.`))
    .map(({ description }) => description);
}

/** A label, its field, and what the server says about its value. */
const Labelled = ({
  props,
  control,
}: {
  props: FieldProps;
  control: (aria: Record<string, string | undefined>) => ComponentChildren;
}) => {
  const id = useId();
  const faults = violationsAt(props.draft, props.path);
  const aria = {
    id,
    "aria-invalid": faults.length > 0 ? "true" : undefined,
    "aria-describedby": `${id}-hint ${id}-fault`,
  };
  return html`
    <div class="field">
      <label for=${id}>${props.label}</label>
      ${control(aria)}
      <span class="hint" id=${`${id}-hint`}>${props.hint}</span>
      <span class="fault" id=${`${id}-fault`}>${faults.join(" ")}</span>
    </div>
  `;
};

/** Text of one line. An empty one removes the part. */
export const TextField = (props: FieldProps & { type?: "text" | "password" | "url" }) => {
  const { draft, path, type = "text" } = props;
  const onInput = ({ currentTarget }: EditEvent) => draft.set(path, currentTarget.value || undefined);
  return Labelled({
    props,
    control: (aria) =>
      html`<input ...${aria} type=${type === "url" ? "text" : type} inputmode=${type === "url" ? "url" : undefined}
        autocomplete=${type === "password" ? "new-password" : "off"} spellcheck="false"
        value=${valueAt(draft.json.value, path) ?? ""} onInput=${onInput} />`,
  });
};

/** A number. An empty field removes the part, so that the default counts. */
export const NumberField = (props: FieldProps & { placeholder: string }) => {
  const { draft, path, placeholder } = props;
  const onInput = ({ currentTarget }: EditEvent) =>
    draft.set(path, currentTarget.value === "" ? undefined : Number(currentTarget.value));
  return Labelled({
    props,
    control: (aria) =>
      html`<input ...${aria} type="number" min="0" step="any" placeholder=${placeholder} value=${valueAt(draft.json.value, path) ?? ""} onInput=${onInput} />`,
  });
};

/** One of several values. "" removes the part. */
export const ChoiceField = (props: FieldProps & { choices: Readonly<Record<string, string>> }) => {
  const { draft, path, choices } = props;
  const onChange = ({ currentTarget }: EditEvent) => draft.set(path, currentTarget.value || undefined);
  return Labelled({
    props,
    control: (aria) => html`
      <select ...${aria} value=${valueAt(draft.json.value, path) ?? ""} onChange=${onChange}>
        ${Object.entries(choices).map(([value, words]) => html`<option value=${value}>${words}</option>`)}
      </select>
    `,
  });
};

/** On or off. */
export const SwitchField = ({
  draft,
  path,
  label,
  isOnByDefault = false,
}: FieldProps & { isOnByDefault?: boolean }) => html`
  <label class="inline">
    <input
      type="checkbox"
      checked=${valueAt(draft.json.value, path) ?? isOnByDefault}
      onChange=${({ currentTarget }: { currentTarget: HTMLInputElement }) => draft.set(path, currentTarget.checked)}
    />
    ${label}
  </label>
`;

/** A part that is written as lines of text. */
export interface LineFormat {
  readonly format: (json: JsonValue | undefined) => string;
  readonly parse: (text: string) => JsonValue | undefined;
}

/** A list or a map, as lines. A value that lines cannot express is left to the JSON form. */
export const LinesField = (props: FieldProps & { lines: LineFormat; placeholder: string }) => {
  const { draft, path, lines, placeholder } = props;
  const json = valueAt(draft.json.peek(), path);
  const text = lines.format(json);
  const isExact = JSON.stringify(lines.parse(text)) === JSON.stringify(json);
  const onInput = ({ currentTarget }: EditEvent) => draft.set(path, lines.parse(currentTarget.value));
  return Labelled({
    props: isExact ? props : { ...props, hint: "Lines cannot express this value. Edit it as JSON." },
    // The text stays as it is typed: only a new draft replaces it.
    control: (aria) =>
      html`<textarea ...${aria} key=${draft.loads.value} rows="2" spellcheck="false" placeholder=${placeholder} disabled=${!isExact} defaultValue=${text} onInput=${onInput}></textarea>`,
  });
};

/** One "key=value" on each line. */
export const pairLines: LineFormat = {
  format: (json) =>
    Object.entries(json ?? {})
      .map(([key, value]) => `${key}=${value}`)
      .join("\n"),
  parse: (text) => {
    const pairs = splitLines(text).map((line) => splitAt(line, "="));
    return pairs.length === 0 ? undefined : Object.fromEntries(pairs);
  },
};

/** One "Name: value" on each line. */
export const headerLines: LineFormat = {
  format: (json) =>
    listOf(json)
      .map((header) => `${valueAt(header, ["name"])}: ${valueAt(header, ["value"]) ?? ""}`)
      .join("\n"),
  parse: (text) => {
    const headers = splitLines(text).map((line) => splitAt(line, ":"));
    return headers.length === 0
      ? undefined
      : headers.map(([name, value]) => ({ name: name.trim(), value: value.trim() }));
  },
};

/** Words with commas or spaces between them. */
export const wordLines: LineFormat = {
  format: (json) => listOf(json).join(", "),
  parse: (text) => text.match(/[^\s,]+/g) ?? undefined,
};

const listOf = (json: JsonValue | undefined): JsonValue[] => (Array.isArray(json) ? json : []);

const splitLines = (text: string): string[] => text.split("\n").filter((line) => line.trim() !== "");

function splitAt(line: string, separator: string): [string, string] {
  const place = line.indexOf(separator);
  return place === -1 ? [line, ""] : [line.slice(0, place), line.slice(place + separator.length)];
}
