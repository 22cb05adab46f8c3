import { h, html } from "htm/preact";
import { useEffect, useState } from "preact/hooks";
import { route } from "../route.ts";
import { ChoiceFilter, TextFilter } from "../ui/text-filter.ts";
import type { EventFilter } from "./event-feed.ts";
import { eventChoices } from "./event-names.ts";
import { EventTail } from "./event-tail.ts";

/** Pause after a changed filter before the stream is opened anew. */
const typingMs = 300;

/** The events of all sessions, as they occur. */
export const EventsView = () => {
  useEffect(() => {
    document.title = "Events · sessiond";
  }, []);
  const { params } = route.value;
  const sessions = useSettled(params.get("session") ?? "")
    .split(/[\s,]+/)
    .filter(Boolean);
  const name = params.get("name") ?? "";
  const filter: EventFilter = { sessions, names: name === "" ? [] : [name] };
  return html`
    <main class="page events">
      <h1>Events</h1>
      <form class="filters" role="search" onSubmit=${(event: Event) => event.preventDefault()}>
        ${h(TextFilter, { name: "q", label: "Words in the event" })}
        ${h(TextFilter, { name: "session", label: "Names of sessions" })}
        ${h(ChoiceFilter, { name: "name", label: "Name of the event", choices: eventChoices })}
      </form>
      ${h(EventTail, { filter, text: params.get("q") ?? "" })}
    </main>
  `;
};

/** Returns a text as it was when it last stayed the same for a while. */
function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), typingMs);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
