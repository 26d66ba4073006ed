/** Messages of the service: see docs/webhooks.md of the service, and https://www.standardwebhooks.com. */

import { UnverifiedMessage } from "./errors.js";
import { hmac, sameText } from "./signatures.js";

const MOST_SECONDS = 300; // that a message may be old, or its clock ahead
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function verified(secret, headers, body) {
  const key = keyOf(secret);
  if (typeof body !== "string" && !(body instanceof Uint8Array)) {
    throw new TypeError("body: must be the text or bytes as received, before they are parsed");
  }
  const pairs = typeof headers.entries === "function" ? [...headers.entries()] : Object.entries(headers);
  const given = new Map(pairs.map(([name, value]) => [name.toLowerCase(), String(value)]));
  const [id, sent, signatures] = ["id", "timestamp", "signature"].map((name) => given.get(`webhook-${name}`) ?? "");
  if (!/^[0-9]{1,19}$/.test(sent)) throw new UnverifiedMessage("the message has no time");
  if (Math.abs(Date.now() / 1000 - Number(sent)) > MOST_SECONDS) {
    throw new UnverifiedMessage("the message is more than five minutes old, or a clock is wrong");
  }
  const signature = `v1,${hmac(key, `${id}.${sent}.`, body).toString("base64")}`;
  if (!signatures.split(" ").some((each) => sameText(signature, each))) {
    throw new UnverifiedMessage("the signature is not that of this secret");
  }
  return messageIn(body);
}

function keyOf(secret) {
  const text = typeof secret === "string" ? secret.replace(/^whsec_/, "") : "";
  if (!text || !BASE64.test(text)) throw new TypeError("secret: must be WEBHOOK_SECRET: base64, perhaps after whsec_");
  return Buffer.from(text, "base64");
}

function messageIn(body) {
  let message;
  try {
    message = JSON.parse(typeof body === "string" ? body : new TextDecoder().decode(body));
  } catch {
    throw new UnverifiedMessage("the message is no JSON");
  }
  if (message === null || typeof message !== "object" || Array.isArray(message)) {
    throw new UnverifiedMessage("the message is no object");
  }
  return message;
}
