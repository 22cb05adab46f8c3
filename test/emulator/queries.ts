/** Answers to clients' queries (`iq`) in one table. Other queries get an error 501, never silence. */
import { jidDecode } from "@whiskeysockets/baileys";
import type { LinkedDevice } from "./device.ts";
import { groupAnswers } from "./groups.ts";
import { bundleStanza } from "./key-bundle.ts";
import { limitAnswers } from "./limits.ts";
import { mediaAuth } from "./media.ts";
import { flushStored, takeBundle } from "./messages.ts";
import { type BinaryNode, child, childBytes, children, childrenOf, QueryError, stanza, unixTime } from "./stanza.ts";
import type { WhatsApp } from "./whatsapp.ts";

/** One query of a linked device. */
export interface Query {
  readonly whatsapp: WhatsApp;
  readonly device: LinkedDevice;
  readonly iq: BinaryNode;
}

/** Returns the content of the result; throws a `QueryError` for a refusal. */
type Answer = (query: Query) => BinaryNode[];

const nothing: Answer = () => [];

// By xmlns, type and the first child's tag: the queries of Baileys 7.0.0-rc14 in lib/Socket.
const answers: Readonly<Record<string, Answer>> = {
  "encrypt get count": ({ device }) => [stanza("count", { value: device.keys.preKeyCount })],
  "encrypt set registration": uploadKeys,
  "encrypt set rotate": rotateKey,
  "encrypt get digest": () => [stanza("digest")],
  "encrypt get key": keyBundles,
  "passive set active": activate,
  "passive set passive": nothing,
  "abt get props": () => [stanza("props", { hash: "emulator" }, [stanza("prop", { config_code: 1, config_value: 1 })])],
  "blocklist get ": () => [stanza("list")],
  "privacy get privacy": () => [
    stanza(
      "privacy",
      {},
      ["readreceipts", "last", "online", "profile", "status", "groupadd"].map((name) =>
        stanza("category", { name, value: "all" }),
      ),
    ),
  ],
  "privacy set tokens": () => [stanza("tokens")],
  ...groupAnswers,
  ...limitAnswers,
  "urn:xmpp:whatsapp:dirty set clean": nothing,
  "usync get usync": usync,
  "w:sync:app:state set sync": appState,
  "w:p get ping": nothing,
  "w:stats  add": nothing,
  "w:m set media_conn": ({ whatsapp }) => [
    stanza("media_conn", { auth: mediaAuth, ttl: 300 }, [stanza("host", { hostname: whatsapp.media.name })]),
  ],
  "md set remove-companion-device": removeDevice,
};

/** Returns the content of the result for `iq`; throws a `QueryError` if the table has none. */
export function answer(query: Query): BinaryNode[] {
  const { xmlns = "", type = "" } = query.iq.attrs;
  const found = answers[`${xmlns} ${type} ${childrenOf(query.iq)[0]?.tag ?? ""}`];
  if (!found) throw new QueryError(501, "feature-not-implemented");
  return found(query);
}

function uploadKeys({ whatsapp, device, iq }: Query): BinaryNode[] {
  device.ledger.preKeysUploaded += device.keys.upload(iq);
  whatsapp.changed();
  return [];
}

function rotateKey({ device, iq }: Query): BinaryNode[] {
  const rotate = child(iq, "rotate");
  if (rotate) device.keys.rotate(rotate);
  return [];
}

function keyBundles({ whatsapp, iq }: Query): BinaryNode[] {
  const users = children(child(iq, "key"), "user").map(({ attrs: { jid = "" } }) => {
    const phone = whatsapp.accountOf(jid);
    const deviceId = jidDecode(jid)?.device ?? 0;
    const device = phone?.device(deviceId);
    if (device) return bundleStanza(jid, takeBundle(device));
    if (phone && deviceId === 0) return bundleStanza(jid, phone.signal.bundle());
    return stanza("user", { jid }, [stanza("error", { code: 404, text: "item-not-found" })]);
  });
  return [stanza("list", {}, users)];
}

function activate({ whatsapp, device }: Query): BinaryNode[] {
  // The answer goes first, then the offline queue.
  setImmediate(() => {
    flushStored(device);
    whatsapp.deviceActive(device);
  });
  return [];
}

function usync({ whatsapp, iq }: Query): BinaryNode[] {
  const request = child(iq, "usync");
  const asked = childrenOf(child(request, "query")).map(({ tag }) => tag);
  const users = children(child(request, "list"), "user").flatMap((user) => {
    const contact = child(user, "contact");
    const number = contact?.content === undefined ? undefined : childBytes(user, "contact").toString().replace("+", "");
    const phone = whatsapp.accountOf(user.attrs.jid ?? `${number}@s.whatsapp.net`);
    if (!phone)
      return number ? [stanza("user", { jid: `${number}@s.whatsapp.net` }, [stanza("contact", { type: "out" })])] : [];
    const facts = asked.flatMap((protocol) => userFacts[protocol]?.(phone) ?? []);
    return [stanza("user", { jid: user.attrs.jid ?? phone.jid }, facts)];
  });
  return [stanza("usync", { ...request?.attrs }, [stanza("result"), stanza("list", {}, users)])];
}

// Every account has a LID, without which Baileys cannot encrypt for it.
const userFacts: Readonly<Record<string, (phone: LinkedDevice["phone"]) => BinaryNode[]>> = {
  lid: (phone) => [stanza("lid", { val: phone.lid })],
  contact: () => [stanza("contact", { type: "in" })],
  status: () => [stanza("status", { t: 0 })],
  devices: (phone) => {
    const linked = phone.devices.map(({ id, keyIndex }) => stanza("device", { id, "key-index": keyIndex }));
    const list = stanza("device-list", {}, [stanza("device", { id: 0 }), ...linked]);
    return [stanza("devices", {}, [list, stanza("key-index-list", { ts: unixTime() })])];
  },
};

function appState({ iq }: Query): BinaryNode[] {
  const collections = children(child(iq, "sync"), "collection").map(({ attrs: { name, version } }) =>
    stanza("collection", { name, version: version ?? 0 }),
  );
  return [stanza("sync", {}, collections)];
}

function removeDevice({ whatsapp, device, iq }: Query): BinaryNode[] {
  const jid = child(iq, "remove-companion-device")?.attrs.jid ?? "";
  const target = device.phone.device(jidDecode(jid)?.device ?? 0);
  if (!target || whatsapp.accountOf(jid) !== device.phone) throw new QueryError(404, "item-not-found");
  // The answer goes first, then the end of the connection.
  setImmediate(() => device.phone.unlink(target));
  return [];
}
