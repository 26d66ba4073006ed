/** Speaks to the service over HTTP. */

import { ServiceError, TimedOut, Unreachable } from "./errors.js";
import { sign, textsOf } from "./urls.js";

const PICTURES = "image/*,application/pdf";
const ENDED = new Set(["completed", "failed"]);
const PAUSE = 2; // seconds between two looks at a job, unless the service says how many

export class Client {
  #base;
  #headers;
  #signingKey;
  #signs;
  #timeout;

  constructor(baseUrl, apiKey, { signingKey, timeout = 90 } = {}) {
    if (!/^https?:\/\//.test(baseUrl)) throw new TypeError("baseUrl: must start with http:// or https://");
    this.#base = baseUrl.replace(/\/+$/, "");
    this.#headers = { "User-Agent": "thumbnail-client", ...(apiKey ? { "X-API-Key": apiKey } : {}) };
    this.#signingKey = signingKey;
    this.#signs = Boolean(signingKey && !apiKey);
    this.#timeout = timeout;
  }

  async capture(url, options = {}) {
    const [method, path, body] = this.#signs
      ? ["GET", `/thumb?${this.#signed(url, options)}`]
      : ["POST", "/thumb", { url, ...options }];
    return pictureOf(await this.#ask(method, path, body, { accept: PICTURES }));
  }

  async persist(url, options = {}) {
    const { answer, status } = await this.#askForJson("POST", "/persist", { url, ...options });
    return { url: new URL(answer.url, `${this.#base}/`).href, created: status === 201, answer };
  }

  async metadata(url, options = {}) {
    return (await this.#askForJson("GET", `/meta?${this.#signed(url, options)}`)).answer;
  }

  async createJob(url, options = {}) {
    return jobOf(await this.#askForJson("POST", "/screenshots", { url, ...options }));
  }

  async job(id) {
    return jobOf(await this.#askForJson("GET", `/jobs/${encodeURIComponent(id)}`));
  }

  async wait(job, { seconds = 300 } = {}) {
    const until = performance.now() + 1000 * seconds;
    let pause = PAUSE;
    while (!job.ended) {
      const left = until - performance.now();
      if (left <= 0) throw new TimedOut(`job ${job.id} is ${job.status} after ${seconds} seconds`);
      await sleep(Math.min(1000 * pause, left));
      const answered = await this.#askForJson("GET", `/jobs/${encodeURIComponent(job.id)}`);
      job = jobOf(answered);
      pause = retryAfterIn(answered.headers) || PAUSE;
    }
    if (job.error) throw job.error;
    return job;
  }

  async jobPicture(job) {
    return pictureOf(await this.#ask("GET", `/jobs/${encodeURIComponent(job.id)}/image`));
  }

  async *sites(filters = {}) {
    for (let given = filters; given; ) {
      const page = await this.pageOfSites(given);
      yield* page.sites;
      given = page.next && { ...given, cursor: page.next };
    }
  }

  async pageOfSites(filters = {}) {
    return (await this.#askForJson("GET", `/sites?${queryOf(filters)}`)).answer;
  }

  async site(id) {
    return (await this.#askForJson("GET", `/sites/${id}`)).answer;
  }

  async addSite(url, fields = {}) {
    return (await this.#askForJson("POST", "/sites", { url, ...fields })).answer;
  }

  async changeSite(id, fields, { revision } = {}) {
    return (await this.#askForJson("PATCH", `/sites/${id}`, fields, { revision })).answer;
  }

  async removeSite(id, { revision } = {}) {
    await this.#ask("DELETE", `/sites/${id}`, undefined, { revision });
  }

  async captureSite(id) {
    return (await this.#askForJson("POST", `/sites/${id}/capture`, {})).answer;
  }

  async *versions(id) {
    for (let given = {}; given; ) {
      const { answer } = await this.#askForJson("GET", `/sites/${id}/versions?${queryOf(given)}`);
      yield* answer.versions;
      given = answer.next && { cursor: answer.next };
    }
  }

  async difference(id, older, newer) {
    return (await this.#askForJson("GET", `/sites/${id}/diff?from=${older}&to=${newer}&format=json`)).answer;
  }

  async differencePicture(id, older, newer) {
    return pictureOf(await this.#ask("GET", `/sites/${id}/diff?from=${older}&to=${newer}&format=png`));
  }

  #signed(url, options) {
    const given = textsOf({ url, ...options });
    return new URLSearchParams(this.#signingKey ? { ...given, sig: sign(this.#signingKey, given) } : given);
  }

  async #askForJson(method, path, body, { revision } = {}) {
    const { bytes, headers, status } = await this.#ask(method, path, body, { revision });
    const answer = jsonIn(bytes);
    if (answer === undefined) {
      throw new Unreachable(`${this.#base} answered ${status} without JSON: is it the thumbnail service?`);
    }
    return { answer, headers, status };
  }

  async #ask(method, path, body, { accept = "application/json", revision } = {}) {
    const headers = { ...this.#headers, Accept: accept };
    if (revision !== undefined) headers["If-Match"] = `"${revision}"`;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const request = new Request(this.#base + path, {
      method,
      headers,
      body: JSON.stringify(body),
      redirect: "manual", // a redirect would take the API key to another host
      signal: AbortSignal.timeout(1000 * this.#timeout),
    });
    const { bytes, response } = await this.#send(request);
    const { headers: answered, ok, status } = response;
    // A picture that is pending is a problem too, with status 202.
    if (!ok || contentTypeIn(answered) === "application/problem+json") {
      throw new ServiceError(status, problemIn(bytes), retryAfterIn(answered));
    }
    return { bytes, headers: answered, status };
  }

  async #send(request) {
    try {
      const response = await fetch(request);
      return { response, bytes: new Uint8Array(await response.arrayBuffer()) };
    } catch (err) {
      const late = err.name === "TimeoutError" && `none in ${this.#timeout} seconds`;
      const reason = late || err.cause?.message || err.cause?.code || err.message;
      throw new Unreachable(`${this.#base} gives no answer: ${reason}`, { cause: err });
    }
  }
}

/** Write a query in which a list repeats its name. */
function queryOf(filters) {
  const pairs = Object.entries(filters).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));
  return new URLSearchParams(pairs.filter(([, value]) => value !== undefined));
}

function pictureOf({ bytes, headers }) {
  return {
    body: bytes,
    contentType: contentTypeIn(headers),
    cache: headers.get("X-Cache") ?? "",
    note: headers.get("X-Thumb-Note") ?? "",
  };
}

function jobOf({ answer }) {
  return {
    id: answer.job_id,
    status: answer.status,
    ended: ENDED.has(answer.status),
    imageUrl: answer.image_url ?? null,
    error: answer.error ? new ServiceError(answer.error.status, answer.error) : null,
    answer,
  };
}

function problemIn(bytes) {
  const found = jsonIn(bytes);
  return found !== null && typeof found === "object" ? found : {};
}

function jsonIn(bytes) {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function contentTypeIn(headers) {
  return (headers.get("Content-Type") ?? "").split(";")[0];
}

function retryAfterIn(headers) {
  const given = headers.get("Retry-After") ?? "";
  return /^[0-9]+$/.test(given) ? Number(given) : null;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
