/** One thing wrong with a request: the dotted JSON path of a field, and what is wrong with it. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** Collects what is wrong with a request, in the order it was found. */
export interface Violations {
  /** `description` follows the path in the message: "must be a string". */
  add(path: string, description: string): void;
  /** A property that strict mode does not allow. */
  addUnknown(path: string): void;
  readonly isEmpty: boolean;
  /** The messages, with those of `more` that tell of other fields. */
  messages(more?: readonly FieldViolation[]): string[];
}

/** An empty collection. */
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

/** A violation as one sentence that begins with its path. */
export function violationMessage({ field, description }: FieldViolation): string {
  return field === "" ? description : `${field} ${description}`;
}
