/**
 * A client of the thumbnail service: pictures of web pages, permanent copies, jobs, webhooks and sites.
 *
 * `Urls` writes addresses for pages, and signs them. `Client` speaks to the service. `index.d.ts` has the types.
 */

export { Client } from "./client.js";
export { ServiceError, TimedOut, Unreachable, UnverifiedMessage } from "./errors.js";
export { Urls, sign } from "./urls.js";
export { verified } from "./webhooks.js";
