/** HMAC-SHA256 of Node, which is looked up only when something is signed: so browsers can load all other code. */

/** Return the HMAC-SHA256 of `parts`, texts or bytes, as a Buffer. */
export function hmac(key, ...parts) {
  const digest = nodeCrypto().createHmac("sha256", key);
  for (const part of parts) digest.update(part);
  return digest.digest();
}

/** Compare two texts in a time that tells nothing about the first. */
export function sameText(expected, given) {
  const [one, other] = [Buffer.from(expected), Buffer.from(given)];
  return one.length === other.length && nodeCrypto().timingSafeEqual(one, other);
}

function nodeCrypto() {
  const found = globalThis.process?.getBuiltinModule?.("node:crypto");
  if (!found) throw new Error("keys work on servers alone: sign and verify with Node 20.16 or newer, not in a browser");
  return found;
}
