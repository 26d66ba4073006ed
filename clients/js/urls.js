/** Addresses of pictures, for pages and mails, and their signatures: see docs/signing.md of the service. */

import { hmac } from "./signatures.js";

// One signature serves all sizes and formats of a page, and whatever breaks a browser's cache.
const UNSIGNED = new Set(["w", "h", "fit", "format", "quality", "wait", "theme", "v", "_"]);
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;" };

/** Return the signature of the options of a query, in hex. Throws TypeError for a line break in a value. */
export function sign(key, options) {
  if (typeof key !== "string" || !key) throw new TypeError("key: must be one of the service's SIGNING_KEYS");
  const signed = Object.entries(textsOf(options)).filter(
    ([name, text]) => !UNSIGNED.has(name) || (name === "format" && text === "pdf"),
  );
  for (const [name, text] of signed) {
    if (text.includes("\n")) throw new TypeError(`${name}: a value that is signed has no line break`);
  }
  const lines = signed.map(([name, text]) => `${name}=${text}`).sort();
  return hmac(key, lines.join("\n")).toString("hex");
}

export class Urls {
  #base;
  #key;

  constructor(baseUrl, signingKey) {
    this.#base = baseUrl.replace(/\/+$/, "");
    this.#key = signingKey;
  }

  thumb(url, options = {}, { expiresIn } = {}) {
    return `${this.#base}/thumb?${new URLSearchParams(this.#signed(url, options, expiresIn))}`;
  }

  path(url, options = {}, { expiresIn } = {}) {
    const { url: page, ...given } = this.#signed(url, options, expiresIn);
    const ending = given.format === "auto" ? "" : `.${given.format ?? "png"}`; // `auto` ends no file's name
    if (ending) delete given.format;
    const words = Object.entries(given).map(([name, text]) => `${name}=${percentEncoded(text)}`);
    return `${this.#base}/t/${words.join(",") || "-"}/${base64url(page)}${ending}`;
  }

  srcset(url, widths, options = {}, { ratio } = {}) {
    const sides = (width) => (ratio === undefined ? { w: width } : { w: width, h: Math.round(width / ratio) });
    return Array.from(widths, (width) => `${this.thumb(url, { ...options, ...sides(width) })} ${width}w`).join(", ");
  }

  img(url, width, height, options = {}, { alt = "" } = {}) {
    const once = this.thumb(url, { ...options, w: width, h: height });
    const twice = this.thumb(url, { ...options, w: 2 * width, h: 2 * height });
    return (
      `<img src="${escaped(once)}" srcset="${escaped(twice)} 2x" width="${width}" height="${height}" ` +
      `alt="${escaped(alt)}" loading="lazy">`
    );
  }

  card(template, data = {}, { format = "png", expiresIn, ...options } = {}) {
    const given = textsOf({ ...data, ...options });
    if (expiresIn !== undefined) given.expires = String(Math.floor(Date.now() / 1000 + expiresIn));
    if (this.#key) {
      const oneLine = (text) => text.replaceAll("\r\n", "\n").replaceAll("\n", "\\n");
      const lines = Object.fromEntries(Object.entries(given).map(([name, text]) => [name, oneLine(text)]));
      given.sig = sign(this.#key, { ...lines, template });
    }
    const query = String(new URLSearchParams(given));
    return `${this.#base}/card/${encodeURIComponent(template)}.${format}${query && "?"}${query}`;
  }

  #signed(url, options, expiresIn) {
    const given = textsOf({ url, ...options });
    if (expiresIn !== undefined) given.expires = String(Math.floor(Date.now() / 1000 + expiresIn));
    return this.#key ? { ...given, sig: sign(this.#key, given) } : given;
  }
}

/** Write values as the service reads them. Those that are undefined are left out. */
export function textsOf(options) {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  for (const [name, value] of given) {
    if (!["string", "number", "boolean"].includes(typeof value)) {
      throw new TypeError(`${name}: must be a text, a number, true or false`);
    }
  }
  return Object.fromEntries(given.map(([name, value]) => [name, String(value)]));
}

/** Encode all but RFC 3986's unreserved characters: parentheses would end a link in Markdown, and `'` an attribute. */
function percentEncoded(text) {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}

function base64url(text) {
  const bytes = Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte));
  return btoa(bytes.join("")).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (one) => ENTITIES[one]);
}
