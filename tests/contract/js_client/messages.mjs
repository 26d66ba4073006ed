import { verified } from "../../../clients/js/index.js";
import { given, print, tell } from "./telling.mjs";

const { secret, headers, body, old, early } = given;
const bytes = new TextEncoder().encode(body);
const lower = (named) => Object.fromEntries(Object.entries(named).map(([name, value]) => [name.toLowerCase(), value]));

await tell("as bytes", () => verified(secret, new Headers(headers), bytes));
await tell("as text", () => verified(secret, headers, body));
await tell("of Node's server", () => verified(secret, lower(headers), Buffer.from(body)));
await tell("a changed body", () => verified(secret, headers, `${body} `));
await tell("another secret", () => verified(given.otherSecret, headers, body));
await tell("old", () => verified(secret, old, body));
await tell("early", () => verified(secret, early, body));
await tell("no headers", () => verified(secret, {}, body));
await tell("no JSON", () => verified(secret, given.noJson, "{"));
await tell("no object", () => verified(secret, given.noObject, "[]"));
await tell("a parsed body", () => verified(secret, headers, JSON.parse(body)));
await tell("no secret", () => ["", "whsec_", "****", undefined].map((none) => {
  try {
    return verified(none, headers, body);
  } catch (err) {
    return err.message;
  }
}));

print();
