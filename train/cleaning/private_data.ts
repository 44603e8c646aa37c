/** What `redact` tells apart; `<EMAIL>` takes the place of an `EMAIL`. */
export const privateTypes = ["EMAIL", "IP", "PHONE", "CARD", "IBAN", "API_KEY", "JWT", "PRIVATE_KEY"] as const;

/** One of them. */
export type PrivateType = typeof privateTypes[number];

/** A stretch of a text that is private. */
export interface PrivateData {
  /** What it is. */
  readonly type: PrivateType;
  /** Its first UTF-16 unit. */
  readonly start: number;
  /** The unit after its last. */
  readonly end: number;
}
