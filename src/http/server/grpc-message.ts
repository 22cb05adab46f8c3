/** The parts of a call's context that decide how its error is written. */
export interface ErrorTrailer {
  readonly protocolName: string;
  readonly responseTrailer: Headers;
}

/**
 * Encodes the `grpc-message` of a gRPC or gRPC-Web call only as far as gRPC requires. Must be called before the call begins. Connect
 * encodes it as a URL component, and @grpc/grpc-js does not decode ":" or ",".
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

/** Percent-encodes "%" and every UTF-8 byte outside 0x20 to 0x7E (gRPC's PROTOCOL-HTTP2, "Responses"). */
export function encodeMessage(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\x20-\x24\x26-\x7e]+/g, (part) =>
      Array.from(Buffer.from(part), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, "0")}`).join(""),
    );
}
