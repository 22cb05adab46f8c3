import { Histogram, type Registry } from "prom-client";

/** Options for a histogram of durations with two labels. */
export interface DurationsOptions<First extends string, Second extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly [First, Second];
  /** Upper bounds of the buckets in seconds, ascending. */
  readonly buckets: readonly number[];
  readonly registers: Registry[];
}

/** The stored observations of one pair of labels, as in prom-client. */
interface Observations {
  readonly labels: object;
  /** Number of observations by the upper bound of their bucket. */
  readonly bucketValues: Record<string, number>;
  sum: number;
  count: number;
}

/** A bucket with the key of its number of observations. */
interface Bucket {
  readonly bound: number;
  readonly key: string;
}

/**
 * A histogram that finds the observations of a pair of labels by two look-ups. prom-client checks and joins the labels at each
 * observation, which takes longer than the rest of it. Only `record` may be used to observe.
 */
export class Durations<First extends string, Second extends string> extends Histogram<First | Second> {
  /** Where prom-client stores observations. */
  declare private readonly hashMap: Readonly<Record<string, Observations>>;
  readonly #labelNames: readonly [First, Second];
  readonly #buckets: readonly Bucket[];
  readonly #found = new Map<string, Map<string | number, Observations>>();

  constructor(options: DurationsOptions<First, Second>) {
    super({ ...options, labelNames: [...options.labelNames], buckets: [...options.buckets] });
    this.#labelNames = options.labelNames;
    // A text of the bound for each observation would take longer than all else.
    this.#buckets = options.buckets.map((bound) => ({ bound, key: String(bound) }));
  }

  /** Records a duration under the values of the two labels. */
  record(first: string, second: string | number, seconds: number): void {
    const observations = this.#found.get(first)?.get(second) ?? this.#find(first, second);
    observations.sum += seconds;
    observations.count += 1;
    const key = this.#buckets.find(({ bound }) => seconds <= bound)?.key;
    if (key !== undefined) observations.bucketValues[key] = (observations.bucketValues[key] ?? 0) + 1;
  }

  #find(first: string, second: string | number): Observations {
    const [firstName, secondName] = this.#labelNames;
    const labels = { [firstName]: first, [secondName]: second } as Record<First | Second, string | number>;
    this.zero(labels);
    const observations = Object.values(this.hashMap).find((stored) => stored.labels === labels);
    if (observations === undefined) throw new Error("prom-client stores observations elsewhere");
    const bySecond = this.#found.get(first) ?? new Map<string | number, Observations>();
    this.#found.set(first, bySecond.set(second, observations));
    return observations;
  }
}
