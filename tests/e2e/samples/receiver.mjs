// Takes what Tocsin delivers, each event once. Node 24 or later, and nothing else.
//
//     WEBHOOK_SECRET=whsec_... PORT=8000 node receiver.mjs

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";

// While you rotate a secret: both, with a blank between.
const KEYS = process.env.WEBHOOK_SECRET.split(" ").map((each) =>
  Buffer.from(each.replace(/^whsec_/, ""), "base64"),
);
const TOLERANCE_SECONDS = 5 * 60;
const MAX_BODY_BYTES = 64 * 1024; // what is larger than 20 KB comes thin

const db = new DatabaseSync(process.env.STORE ?? "events.db", { timeout: 5_000 });
db.exec("CREATE TABLE IF NOT EXISTS taken (id TEXT PRIMARY KEY)");
db.exec("CREATE TABLE IF NOT EXISTS events (id TEXT, seq INTEGER)");
const addTaken = db.prepare("INSERT OR IGNORE INTO taken VALUES (?)");
const addEvent = db.prepare("INSERT INTO events VALUES (?, ?)");

/** Whether somebody who knows a secret signed this body, and not long ago. */
function verified(id, timestamp, signatures, body) {
  if (!/^[0-9]{1,11}$/.test(timestamp)) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  return KEYS.some((key) => {
    const wanted = Buffer.from(`v1,${createHmac("sha256", key).update(signed).digest("base64")}`);
    return signatures.split(" ").some((each) => {
      const given = Buffer.from(each);
      return given.length === wanted.length && timingSafeEqual(given, wanted);
    });
  });
}

/** Store the id and what the event does in one transaction: both are there, or neither. */
function take(id, body) {
  const { data } = JSON.parse(body);
  db.exec("BEGIN IMMEDIATE");
  try {
    if (addTaken.run(id).changes) {
      // Your work goes here, in the same transaction: nothing that has to be awaited.
      addEvent.run(data.id, data.seq);
    }
    db.exec("COMMIT");
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error;
  }
}

async function answer(request) {
  if (request.method !== "POST") return 405;
  const chunks = [];
  let length = 0;
  for await (const chunk of request) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return 413;
    chunks.push(chunk);
  }
  const body = Buffer.concat(chunks); // as it came: parsing and writing it makes other bytes
  const names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
  const [id, timestamp, signatures] = names.map((name) => String(request.headers[name] ?? ""));
  if (!id || !verified(id, timestamp, signatures, body)) return 401;
  try {
    take(id, body);
  } catch (error) {
    console.error("not stored:", error); // have it sent again
    return 503;
  }
  return 204;
}

const server = createServer((request, response) => {
  answer(request).then(
    (status) => response.writeHead(status).end(),
    () => response.destroy(), // whoever sent it has gone
  );
});
server.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", () => console.log("listening"));
