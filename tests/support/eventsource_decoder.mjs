// Reads streams, each a line of JSON on standard input (its chunks in base64), with npm's eventsource.
// For each it prints a line of JSON: the messages it dispatched, and how long it then waits before
// it connects again, in milliseconds.
import { createInterface } from 'node:readline';
import { EventSource } from 'eventsource';

let ended;
globalThis.setTimeout = (reconnect, milliseconds) => ended(milliseconds);

class Reader extends EventSource {
  messages = [];

  dispatchEvent(event) {
    if (event instanceof MessageEvent) {
      this.messages.push([event.type, event.data, event.lastEventId]);
    }
    return super.dispatchEvent(event);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const body = new ReadableStream({
    start(controller) {
      for (const chunk of JSON.parse(line)) {
        controller.enqueue(new Uint8Array(Buffer.from(chunk, 'base64')));
      }
      controller.close();
    },
  });
  const response = new Response(body, { headers: { 'Content-Type': 'text/event-stream' } });
  const atTheEnd = new Promise((resolve) => { ended = resolve; });
  const reader = new Reader('http://localhost/', { fetch: async () => response });
  const retry = await atTheEnd;
  reader.close();
  console.log(JSON.stringify({ messages: reader.messages, retry }));
}
