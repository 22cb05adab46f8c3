/** The parts of a call's context that decide how its error is written. */
export type ErrorTrailer = { readonly protocolName: string; readonly responseTrailer: Headers };

/**
 * Gives a gRPC or gRPC-Web call a `grpc-message` that is encoded no more than gRPC asks for; call it before the call begins. The
 * library encodes all that a URL component needs encoded, and @grpc/grpc-js does not decode ":", "," and the like.
 */
export function keepMessageReadable({ protocolName, responseTrailer }: ErrorTrailer): void {
  if (protocolName.startsWith("grpc")) Object.assign(responseTrailer, { set: setReadable });
}

function setReadable(this: Headers, name: string, value: string): void {
  Headers.prototype.set.call(
    this,
    name,
    name.toLowerCase() === "grpc-message" ? encodeMessage(decodeURIComponent(value)) : value,
  );
}

/** Percent-encodes "%" and all bytes of UTF-8 outside 0x20 to 0x7E, and nothing else: "Responses" in gRPC's PROTOCOL-HTTP2. */
export function encodeMessage(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\x20-\x24\x26-\x7e]+/g, (part) =>
      Array.from(Buffer.from(part), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
    );
}
