/** A fault of a request: the dotted JSON path of a field, and a description such as "must be a string". */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** Violations of a request in the order of detection. */
export class Violations {
  readonly #found: { readonly path: string; readonly message: string }[] = [];

  /** Adds a violation. Its message is the path followed by `description`, such as "must be a string". */
  add(path: string, description: string): void {
    this.#found.push({ path, message: `${path} ${description}` });
  }

  /** Adds a violation for an unknown property. */
  addUnknown(path: string): void {
    this.#found.push({ path, message: `property ${path} should not exist` });
  }

  get isEmpty(): boolean {
    return this.#found.length === 0;
  }

  /** Returns the messages, followed by those of `more` about other fields. */
  messages(more: readonly FieldViolation[] = []): string[] {
    const isKnown = (field: string) => this.#found.some(({ path }) => field === path || field.startsWith(`${path}.`));
    const added = more.filter(({ field }) => !isKnown(field)).map(violationMessage);
    return [...this.#found.map(({ message }) => message), ...added];
  }
}

/** Returns a violation as one sentence that begins with its path. */
export function violationMessage({ field, description }: FieldViolation): string {
  return field === "" ? description : `${field} ${description}`;
}
