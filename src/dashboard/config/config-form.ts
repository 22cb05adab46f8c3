import { h, html } from "htm/preact";
import type { ConfigDraft } from "./config-draft.ts";
import {
  ChoiceField,
  headerLines,
  LinesField,
  NumberField,
  pairLines,
  SwitchField,
  TextField,
  violationsAt,
  wordLines,
} from "./config-fields.ts";
import { type JsonPath, valueAt } from "./json-path.ts";

const policies = { "": "Default (constant)", constant: "Constant", linear: "Linear", exponential: "Exponential" };

/** Fields for each part of a configuration. */
export const ConfigForm = ({ draft }: { draft: ConfigDraft }) => {
  const webhooks = valueAt(draft.json.value, ["webhooks"]);
  const count = Array.isArray(webhooks) ? webhooks.length : 0;
  const field = (path: JsonPath, label: string) => ({ draft, path, label });
  return html`
    ${h(OtherViolations, { draft, webhookCount: count })}
    ${h(LinesField, { ...field(["metadata"], "Metadata"), lines: pairLines, placeholder: "user.id=123" })}
    <fieldset>
      <legend>Webhooks</legend>
      ${Array.from({ length: count }, (_, index) => h(WebhookFields, { key: `${draft.loads.value}-${index}`, draft, index }))}
      <button type="button" onClick=${() => draft.set(["webhooks", count], { url: "", events: ["session.status", "message"] })}>
        Add a webhook
      </button>
    </fieldset>
    <fieldset>
      <legend>Proxy</legend>
      ${h(TextField, { ...field(["proxy", "server"], "Server"), hint: "host:port or socks5://host:port. Empty: a direct connection." })}
      ${h(TextField, field(["proxy", "username"], "User name"))}
      ${h(TextField, { ...field(["proxy", "password"], "Proxy password"), type: "password" })}
    </fieldset>
    <fieldset>
      <legend>Engine</legend>
      ${h(SwitchField, { ...field(["noweb", "markOnline"], "Mark as online"), isOnByDefault: true })}
      ${h(SwitchField, field(["noweb", "store", "enabled"], "Store chats and messages"))}
      ${h(SwitchField, field(["noweb", "store", "fullSync"], "Full history"))}
      ${h(SwitchField, field(["debug"], "Log at debug level"))}
    </fieldset>
    <p class="hint">Secrets are shown as ***. Leave them as they are to keep them.</p>
  `;
};

const WebhookFields = ({ draft, index }: { draft: ConfigDraft; index: number }) => {
  const field = (label: string, ...path: JsonPath) => ({ draft, label, path: ["webhooks", index, ...path] });
  return html`
    <div class="group" role="group" aria-label=${`Webhook ${index + 1}`}>
      ${h(TextField, { ...field("URL", "url"), type: "url" })}
      ${h(LinesField, { ...field("Events", "events"), lines: wordLines, placeholder: "session.status, message" })}
      <details>
        <summary>Secret, retries and headers</summary>
        ${h(TextField, { ...field("HMAC key", "hmac", "key"), type: "password" })}
        ${h(ChoiceField, { ...field("Retry policy", "retries", "policy"), choices: policies })}
        ${h(NumberField, { ...field("Delay, s", "retries", "delaySeconds"), placeholder: "2" })}
        ${h(NumberField, { ...field("Attempts", "retries", "attempts"), placeholder: "15" })}
        ${h(LinesField, { ...field("Headers", "customHeaders"), lines: headerLines, placeholder: "X-Name: value" })}
      </details>
      <button type="button" class="danger" onClick=${() => draft.removeItem(["webhooks", index])}>Remove webhook ${index + 1}</button>
    </div>
  `;
};

/** Violations of parts that have no field of their own. */
const OtherViolations = ({ draft, webhookCount }: { draft: ConfigDraft; webhookCount: number }) => {
  const webhookParts: JsonPath[] = [
    ["url"],
    ["events"],
    ["hmac", "key"],
    ["retries", "policy"],
    ["retries", "delaySeconds"],
    ["retries", "attempts"],
    ["customHeaders"],
  ];
  const shown: JsonPath[] = [
    ["metadata"],
    ["proxy", "server"],
    ["proxy", "username"],
    ["proxy", "password"],
    ...Array.from({ length: webhookCount }, (_, index) =>
      webhookParts.map((part) => ["webhooks", index, ...part]),
    ).flat(),
  ];
  const inPlace = new Set(shown.flatMap((path) => violationsAt(draft, path)));
  const others = draft.violations.value.filter(({ description }) => !inPlace.has(description));
  return html`
    <div role="alert">
      ${draft.violations.value.length > 0 && html`<p class="fault">The server refuses the configuration.</p>`}
      ${others.map(({ field, description }) => html`<p class="fault">${field}: ${description}</p>`)}
    </div>
  `;
};
