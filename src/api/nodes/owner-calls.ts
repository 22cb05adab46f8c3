import type { DescMethod, DescMethodUnary, Message, MessageShape } from "@bufbuild/protobuf";
import { AuthService } from "../../../gen/sessiond/v1/auth_service_pb.js";
import { MessageService } from "../../../gen/sessiond/v1/message_service_pb.js";
import { SessionService } from "../../../gen/sessiond/v1/session_service_pb.js";
import { WebhookService } from "../../../gen/sessiond/v1/webhook_service_pb.js";

/** A unary RPC that the owner of its session answers. All other RPCs are answered by any node, from the store. */
export interface OwnerCall {
  /**
   * Returns the name of the session; "" if the call does not need an owner. Undefined for the session of the caller's pairing link.
   */
  sessionOf(message: Message): string | undefined;
  /** True if the RPC has the same effect when it is carried out twice. */
  readonly isRepeatable: boolean;
}

/** Session of the calls that need a session and name none, as in WAHA. */
const defaultName = "default";

type Row = readonly [DescMethod, OwnerCall];

function row<M extends DescMethodUnary>(
  method: M,
  sessionOf: (message: MessageShape<M["input"]>) => string | undefined,
  isRepeatable = false,
): Row {
  return [method, { sessionOf: (message) => sessionOf(message as MessageShape<M["input"]>), isRepeatable }];
}

const named = ({ session }: { readonly session: string }) => session;
const namedOrDefault = ({ name }: { readonly name: string }) => name || defaultName;

/** The RPCs that the owner of a session answers, by their descriptor. */
export const ownerCalls: ReadonlyMap<DescMethod, OwnerCall> = new Map([
  row(SessionService.method.createSession, ({ name }) => name),
  row(SessionService.method.updateSession, named),
  row(SessionService.method.deleteSession, named),
  row(SessionService.method.startSession, named, true),
  row(SessionService.method.stopSession, named, true),
  row(SessionService.method.restartSession, named),
  row(SessionService.method.logoutSession, named),
  row(SessionService.method.restoreCredentials, named),
  row(SessionService.method.getScreenshot, ({ session }) => session || defaultName, true),
  row(SessionService.method.startSessionDeprecated, namedOrDefault),
  row(SessionService.method.stopSessionDeprecated, namedOrDefault),
  row(SessionService.method.logoutSessionDeprecated, namedOrDefault),
  row(AuthService.method.getQr, named, true),
  row(AuthService.method.getQrBody, named, true),
  row(AuthService.method.requestCode, named),
  row(AuthService.method.createPairingLink, named),
  row(AuthService.method.revokePairingLink, named, true),
  row(AuthService.method.getPairingLink, () => undefined, true),
  row(MessageService.method.sendText, named),
  row(MessageService.method.replyDeprecated, named),
  row(MessageService.method.sendImage, named),
  row(MessageService.method.sendFile, named),
  row(MessageService.method.sendVoice, named),
  row(MessageService.method.sendVideo, named),
  row(MessageService.method.setReaction, named),
  row(MessageService.method.sendSeen, named, true),
  row(MessageService.method.startTyping, named, true),
  row(MessageService.method.stopTyping, named, true),
  row(MessageService.method.checkNumber, named, true),
  row(MessageService.method.getTimelock, named, true),
  row(MessageService.method.getCapping, named, true),
  row(MessageService.method.cancelOutgoing, named, true),
  row(WebhookService.method.resendDelivery, named),
  // Without a session, each session's owner is called for it.
  row(WebhookService.method.resendFailed, named),
  row(WebhookService.method.sendTestEvent, named),
  row(WebhookService.method.enableEndpoint, named, true),
]);
