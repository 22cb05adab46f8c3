import { h, html } from "htm/preact";
import { useMemo, useRef, useState } from "preact/hooks";
import { Engine_Kind as Engine } from "../../../gen/sessiond/v1/session_pb.js";
import { sessionClient } from "../api/clients.ts";
import { type FieldViolation, messageOf, violationsOf } from "../api/errors.ts";
import { go, route, routeWith } from "../route.ts";
import { Modal } from "../ui/modal.ts";
import { engineWords } from "../words.ts";
import { ConfigDraft } from "./config-draft.ts";
import { ConfigEditor } from "./config-editor.ts";

/** A button, and the dialog that creates a session. */
export const CreateSession = () => {
  const [isOpen, setOpen] = useState(false);
  return html`
    <button type="button" class="primary" onClick=${() => setOpen(true)}>New session</button>
    ${isOpen && h(Modal, { title: "New session", onClose: () => setOpen(false) }, h(NewSessionForm, { onClose: () => setOpen(false) }))}
  `;
};

const NewSessionForm = ({ onClose }: { onClose: () => void }) => {
  const draft = useMemo(() => new ConfigDraft(), []);
  const form = useRef<HTMLFormElement>(null);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState("");
  const [nameFaults, setNameFaults] = useState<readonly FieldViolation[]>([]);

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault();
    if (form.current === null || isBusy || draft.fault.value !== "") return;
    const data = new FormData(form.current);
    const start = data.has("start");
    const engine = Number(data.get("engine"));
    setBusy(true);
    setFault("");
    try {
      const request = { name: String(data.get("name") ?? "").trim(), start, engine, config: draft.toConfig() };
      const { session } = await sessionClient.createSession(request);
      onClose();
      go(routeWith(route.value, { session: session?.name ?? "", tab: start ? "pair" : "" }));
    } catch (error) {
      const violations = violationsOf(error);
      setNameFaults(violations.filter(({ field }) => field === "name"));
      draft.violations.value = violations.filter(({ field }) => field !== "name");
      if (violations.length === 0) setFault(messageOf(error));
      setBusy(false);
    }
  }

  return html`
    <form class="editor" ref=${form} onSubmit=${submit}>
      <div class="field">
        <label for="new-name">Name</label>
        <input id="new-name" name="name" autocomplete="off" spellcheck="false" maxlength="54" placeholder="Empty: a new name" aria-describedby="name-fault" aria-invalid=${nameFaults.length > 0 ? "true" : undefined} />
        <span class="fault" id="name-fault" role="alert">${nameFaults.map(({ description }) => description).join(" ")}</span>
      </div>
      <label class="field">
        Engine
        <select name="engine">
          <option value=${Engine.KIND_UNSPECIFIED}>The server's default</option>
          ${[Engine.NOWEB, Engine.WEBJS].map((kind) => html`<option value=${kind}>${engineWords[kind]}</option>`)}
        </select>
      </label>
      <label class="inline"><input type="checkbox" name="start" checked /> Start it at once</label>
      <details open=${draft.violations.value.length > 0}>
        <summary>Configuration</summary>
        ${h(ConfigEditor, { draft })}
      </details>
      <p class="fault" role="alert">${fault}</p>
      <div class="actions">
        <button type="submit" class="primary" disabled=${isBusy}>${isBusy ? "Creating …" : "Create"}</button>
        <button type="button" onClick=${onClose}>Cancel</button>
      </div>
    </form>
  `;
};
