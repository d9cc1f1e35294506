// Reads the streams at these URLs (key first) with npm's eventsource, and prints each message,
// and each "open" and "error" of a connection, as a line of JSON.
import { EventSource } from 'eventsource';

const [key, ...urls] = process.argv.slice(2);

class Reader extends EventSource {
  dispatchEvent(event) {
    const said = event instanceof MessageEvent
      ? { event: event.type, data: event.data, id: event.lastEventId }
      : { connection: event.type };
    console.log(JSON.stringify({ url: this.url, ...said }));
    return super.dispatchEvent(event);
  }
}

const withKey = (url, init) => fetch(url, {
  ...init,
  headers: { ...init.headers, Authorization: `Bearer ${key}` },
});
for (const url of urls) {
  new Reader(url, { fetch: withKey });
}
setInterval(() => {}, 60_000); // while it waits to connect again, eventsource keeps nothing alive
