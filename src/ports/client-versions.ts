/** The version of WhatsApp's client that engines of one kind say they are, "2.3000.1043857760". WhatsApp retires old ones. */
export interface ClientVersions {
  /** The version that engines opened from now on use. */
  readonly current: string;
  /** Reports that WhatsApp refused a version. Another one may become current, now or later. */
  refused(version: string): void;
  /** Calls `listener` whenever another version has become current. */
  onChange(listener: (version: string) => void): void;
}
