/** What a stream says besides events: a gap, and why it ends. */

export interface Gap {
  /** The first seq that is still kept. */
  firstSeq: number;
}

export function onGap(message: MessageEvent<string>): Gap | undefined {
  const said = read(message);
  return typeof said.first_seq === "number" ? { firstSeq: said.first_seq } : undefined;
}

/** The reason in a stream's last message, as a sentence. */
export function onSaid(message: MessageEvent<string>): string {
  const said = read(message).message;
  return typeof said === "string" ? said : "The stream was ended.";
}

function read(message: MessageEvent<string>): Record<string, unknown> {
  try {
    return JSON.parse(message.data) as Record<string, unknown>;
  } catch {
    return {};
  }
}
