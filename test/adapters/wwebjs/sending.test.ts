import assert from "node:assert/strict";
import { isOutgoing, sendingContract } from "../../contract/sending.ts";
import type { WebPhone } from "../../emulator/wwebjs/web-phone.ts";
import { WebjsFixture } from "./webjs-fixture.ts";

sendingContract<WebPhone>("WEBJS", async () => {
  const fixture = await WebjsFixture.start();
  const { whatsapp } = fixture;
  const session = fixture.session();
  const { phone } = session;
  session.isOutgoing = isOutgoing;
  const engine = await session.working();
  const device = () => phone.devices[0] ?? assert.fail("the session is not linked");
  return {
    phone,
    session,
    engine,
    newPhone: (number) => whatsapp.phone(number),
    answer(answer) {
      whatsapp.answerTo = () => answer;
    },
    setNumber: (number, account) => void whatsapp.numbering.set(number, account),
    confirm: (person, ids, type) => person.confirm(phone, ids, { type }),
    isRead: (_, id) => !phone.unread.has(id),
    sentIds: () => device().sent,
    quotedBy(person, id) {
      const quoted = person.shown.find((one) => one.id === id)?.quoted;
      return quoted && { id: quoted.id, text: quoted.body };
    },
    mentionedBy: (person, id) =>
      (person.shown.find((one) => one.id === id)?.mentions ?? []).map((one) => one.replace("@c.us", "")),
    reactionsTo: (person) =>
      person.shown.flatMap(({ reaction }) => (reaction ? [{ id: reaction.target.id, text: reaction.text }] : [])),
    react: (from, to, { id, isOwn }, text) =>
      from.change(to, { kind: "reaction", target: { id, fromMe: isOwn }, text }),
    edit: (from, to, id, text) => from.change(to, { kind: "edit", target: { id, fromMe: true }, text }),
    revoke: (from, to, id) => from.change(to, { kind: "revoke", target: { id, fromMe: true }, text: "" }),
    until: (condition) => whatsapp.until(condition),
    async close() {
      await session.close();
      await fixture.close();
    },
  };
}, [
  [463, "REACHOUT_LOCKED"],
  [429, "RATE"],
  [500, "WHATSAPP_500"],
]);
