/** A client of the thumbnail service: pictures of web pages, permanent copies, jobs, webhooks and sites. */

/** What the value of an option may be in an address. Those that are undefined are left out. */
export type Value = string | number | boolean | undefined;

/** Options of a thumbnail, by the names that `docs/api.md` of the service has: `w`, `full_page`, `format`, … */
export type AddressOptions = Readonly<Record<string, Value>>;

/** The same in a body, where `clip`, `headers` and `cookies` may be objects and lists. */
export type Options = Readonly<Record<string, unknown>>;

/** Filters of `GET /sites`. A list repeats its filter. */
export type Filters = Readonly<Record<string, Value | readonly string[]>>;

/** What the service says, in JSON: see `docs/api.md`, `docs/jobs.md` and `docs/sites.md` of the service. */
export type Answer = Readonly<Record<string, any>>;

/** A picture, or a PDF. `cache` is HIT, STALE or MISS; `note` says what the picture leaves out. */
export interface Picture {
  readonly body: Uint8Array;
  readonly contentType: string;
  readonly cache: string;
  readonly note: string;
}

/** A permanent picture. `created` is false if it was there before. */
export interface Kept {
  readonly url: string;
  readonly created: boolean;
  readonly answer: Answer;
}

/** A job, as `GET /jobs/{id}` shows it. A job that failed has an `error`. */
export interface Job {
  readonly id: string;
  readonly status: string;
  readonly ended: boolean;
  readonly imageUrl: string | null;
  readonly error: ServiceError | null;
  readonly answer: Answer;
}

/** A site of the catalogue, or one of its versions. */
export type Site = Answer & { readonly id: number };
export type Version = Answer & { readonly number: number };

/** Return the signature of the options of a query, in hex. Throws TypeError for a line break in a value. On servers only. */
export function sign(key: string, options: AddressOptions): string;

/**
 * Writes addresses below `baseUrl`, such as https://thumbs.example.com. With a `signingKey`, they are signed, which works on
 * servers only. `expiresIn` is in seconds; without it, an address is good for ever.
 */
export class Urls {
  constructor(baseUrl: string, signingKey?: string | null);
  /** Return the address of the picture of the page `url`. */
  thumb(url: string, options?: AddressOptions, more?: { expiresIn?: number }): string;
  /** Return the same as a path that ends like a file, for programs that want a file name. */
  path(url: string, options?: AddressOptions, more?: { expiresIn?: number }): string;
  /** Return the `srcset` of an image in several `widths`, in pixels. `ratio` is width by height, 16/9 for example. */
  srcset(url: string, widths: Iterable<number>, options?: AddressOptions, more?: { ratio?: number }): string;
  /** Return an `<img>` of `width` × `height` CSS pixels that is sharp on screens with two pixels for each. */
  img(url: string, width: number, height: number, options?: AddressOptions, more?: { alt?: string }): string;
  /** Return the address of a card: `data` are the variables of its template; `more` may hold options of the picture, such as `w`. */
  card(template: string, data?: AddressOptions, more?: AddressOptions & { format?: string; expiresIn?: number }): string;
}

/**
 * A client of the service at `baseUrl`, such as http://localhost:8000, with one of its `API_KEYS` if it has any.
 *
 * `metadata` needs one of its `SIGNING_KEYS` too, where they are set; with that alone, `capture` signs its request, and takes
 * the options of an address. `timeout` is in seconds (90). Redirects are not followed.
 * All methods reject with ServiceError for an error of the service, and with Unreachable if it gives no answer in that time.
 */
export class Client {
  constructor(baseUrl: string, apiKey?: string | null, more?: { signingKey?: string | null; timeout?: number });
  /** Return the picture of the page `url`, with the options of `/thumb`. Waits for a capture if it is not known. */
  capture(url: string, options?: Options): Promise<Picture>;
  /** Store the picture of the page `url` for ever, and return where it is. */
  persist(url: string, options?: Options): Promise<Kept>;
  /** Return what the page `url` says of itself: title, description, icon and more. */
  metadata(url: string, options?: AddressOptions): Promise<Answer>;
  /** Have the page `url` captured in the background. `webhook_url` and `persist` are options too. */
  createJob(url: string, options?: Options): Promise<Job>;
  /** Return how a job is doing. */
  job(id: string): Promise<Job>;
  /** Return `job` once it has completed. Rejects with its ServiceError if it fails, with TimedOut after `seconds` (300). */
  wait(job: Job, more?: { seconds?: number }): Promise<Job>;
  /** Return the picture of a completed job. */
  jobPicture(job: Job): Promise<Picture>;
  /** Yield all sites of the catalogue that the filters of `GET /sites` find, page by page. */
  sites(filters?: Filters): AsyncGenerator<Site, void, void>;
  /** Return one page of the sites that the filters find, with the `cursor` of the page after it as `next`. */
  pageOfSites(filters?: Filters): Promise<Answer & { sites: Site[]; next: string | null; total: number }>;
  /** Return a site. */
  site(id: number): Promise<Site>;
  /** Add a site to the catalogue: title, note, tags, options, schedule, keep, paused, capture. */
  addSite(url: string, fields?: Options): Promise<Site>;
  /** Change a site. With its `revision`, the change fails if the site was edited in between. */
  changeSite(id: number, fields: Options, more?: { revision?: number }): Promise<Site>;
  /** Remove a site and its history. */
  removeSite(id: number, more?: { revision?: number }): Promise<void>;
  /** Have a site captured now. */
  captureSite(id: number): Promise<Site>;
  /** Yield how a site looked, the newest version first. */
  versions(id: number): AsyncGenerator<Version, void, void>;
  /** Compare two versions of a site: how much changed, in percent, and where. */
  difference(id: number, older: number, newer: number): Promise<Answer>;
  /** Compare two versions of a site, as a picture that shows what changed in colour. */
  differencePicture(id: number, older: number, newer: number): Promise<Picture>;
}

/**
 * Return the message that `body` (as received) holds, if the service has signed it. Throws UnverifiedMessage, and TypeError for
 * a `secret` that is none. On servers only.
 *
 * `secret` is `WEBHOOK_SECRET`. A message may come twice: `webhook-id` among the headers is the same then.
 */
export function verified(
  secret: string,
  headers: Headers | Map<string, string> | Readonly<Record<string, string | readonly string[] | undefined>>,
  body: string | Uint8Array,
): Answer;

/**
 * The service refused a request, or failed. `code` is from `docs/errors.md` of the service, `field` names the option at fault.
 *
 * `retryable` says whether the same request may work later; `retryAfter` in how many seconds, if the service said so.
 */
export class ServiceError extends Error {
  private constructor();
  readonly name: "ServiceError";
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly field: string;
  readonly retryable: boolean;
  readonly retryAfter: number | null;
  readonly requestId: string;
}

/** The service gave no answer, or one that is not its own. */
export class Unreachable extends Error {
  readonly name: "Unreachable";
}

/** The job or picture was not ready in time. The service continues with it. */
export class TimedOut extends Error {
  readonly name: "TimedOut";
}

/** A webhook's message is not from the service, or is too old. */
export class UnverifiedMessage extends Error {
  readonly name: "UnverifiedMessage";
}
