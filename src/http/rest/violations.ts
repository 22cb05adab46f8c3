/** A fault of a request: the dotted JSON path of a field, and a description such as "must be a string". */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** Violations of a request in the order of detection. */
export interface Violations {
  /** Adds a violation. Its message is the path followed by `description`, such as "must be a string". */
  add(path: string, description: string): void;
  /** Adds a violation for an unknown property. */
  addUnknown(path: string): void;
  readonly isEmpty: boolean;
  /** Returns the messages, followed by those of `more` about other fields. */
  messages(more?: readonly FieldViolation[]): string[];
}

/** Creates an empty collection. */
export function createViolations(): Violations {
  const found: { path: string; message: string }[] = [];
  return {
    add(path, description) {
      found.push({ path, message: `${path} ${description}` });
    },
    addUnknown(path) {
      found.push({ path, message: `property ${path} should not exist` });
    },
    get isEmpty() {
      return found.length === 0;
    },
    messages(more = []) {
      const isKnown = (field: string) => found.some(({ path }) => field === path || field.startsWith(`${path}.`));
      const added = more.filter(({ field }) => !isKnown(field)).map(violationMessage);
      return [...found.map(({ message }) => message), ...added];
    },
  };
}

/** Returns a violation as one sentence that begins with its path. */
export function violationMessage({ field, description }: FieldViolation): string {
  return field === "" ? description : `${field} ${description}`;
}
