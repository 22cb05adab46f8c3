import { h, html } from "htm/preact";
import { useState } from "preact/hooks";
import type { ConfigDraft } from "./config-draft.ts";
import { ConfigForm } from "./config-form.ts";

const modes = { form: "Form", json: "JSON" } as const;
type Mode = keyof typeof modes;

/** Edits a configuration as a form or as JSON, as the person likes. */
export const ConfigEditor = ({ draft, isReadonly = false }: { draft: ConfigDraft; isReadonly?: boolean }) => {
  const [mode, setMode] = useState<Mode>("form");
  const show = (next: Mode) => {
    // Fields read the draft anew. Text that is no configuration is dropped.
    draft.load(draft.json.peek(), draft.violations.peek());
    setMode(next);
  };
  return html`
    <div class="statuses" role="group" aria-label="View of the configuration">
      ${(Object.keys(modes) as Mode[]).map(
        (key) =>
          html`<button type="button" class="chip" aria-pressed=${String(key === mode)} onClick=${() => show(key)}>${modes[key]}</button>`,
      )}
    </div>
    <fieldset class="config" disabled=${isReadonly}>
      ${mode === "form" ? h(ConfigForm, { draft }) : h(JsonForm, { draft })}
    </fieldset>
  `;
};

const JsonForm = ({ draft }: { draft: ConfigDraft }) => html`
  <label class="field">
    Configuration as JSON
    <textarea
      key=${draft.loads.value}
      class="json"
      rows="18"
      spellcheck="false"
      aria-describedby="json-fault"
      aria-invalid=${draft.fault.value === "" ? undefined : "true"}
      defaultValue=${JSON.stringify(draft.json.peek(), null, 2)}
      onInput=${({ currentTarget }: { currentTarget: HTMLTextAreaElement }) => draft.setText(currentTarget.value)}
    ></textarea>
  </label>
  <div id="json-fault" role="alert">
    ${draft.fault.value && html`<p class="fault">${draft.fault.value}</p>`}
    ${draft.violations.value.map(({ field, description }) => html`<p class="fault">${field}: ${description}</p>`)}
  </div>
`;
