const prefix = "SESSIOND_";

/** Variables that Kubernetes sets for a service whose name begins with "sessiond", such as SESSIOND_PORT=tcp://10.0.0.1:80. */
const serviceName = /_SERVICE_(?:HOST|PORT)(?:_|$)|_PORT_\d+_(?:TCP|UDP|SCTP)(?:_|$)/;
const serviceUrl = /^(?:tcp|udp|sctp):\/\//i;
/** SESSIOND_TEST_* belong to the tests; the clients of docs/clients.md read the other two. */
const foreignVariable = /^SESSIOND_(?:TEST_.*|URL|KEY)$/;

/** Returns the variables of an environment that begin with SESSIOND_ and that the server does not know, with a message for each. */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): { readonly name: string; readonly message: string }[] {
  return Object.entries(env)
    .filter(([name]) => name.startsWith(prefix) && !known.includes(name) && !foreignVariable.test(name))
    .filter(([name, value = ""]) => !serviceName.test(name) && !serviceUrl.test(value))
    .map(([name]) => ({ name, message: messageFor(name, known) }));
}

function messageFor(name: string, known: readonly string[]): string {
  const meant = sameName(name, known) ?? nearestName(name, known);
  const hint = meant === undefined ? "docs/configuration.md lists all variables" : `did you mean ${meant}?`;
  return `has no effect, since sessiond has no such variable: ${hint}`;
}

/** Returns the variable of the same name without our prefix, or with WAHA's in its place. */
function sameName(name: string, known: readonly string[]): string | undefined {
  const rest = name.slice(prefix.length);
  return [rest, `WAHA_${rest}`, `WHATSAPP_${rest}`].find((other) => known.includes(other));
}

/** Returns the name that takes the fewest changes; undefined if that is more than a third of the name. */
function nearestName(name: string, known: readonly string[]): string | undefined {
  const ours = known.filter((other) => other.startsWith(prefix));
  const distances = ours.map((other) => ({ other, distance: distanceBetween(name, other) }));
  const [nearest] = distances.sort((a, b) => a.distance - b.distance);
  const maxDistance = Math.max(2, (name.length - prefix.length) / 3);
  return nearest && nearest.distance <= maxDistance ? nearest.other : undefined;
}

/** Returns the Levenshtein distance: the insertions, deletions and replacements that turn one text into the other. */
function distanceBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, char] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (char === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
