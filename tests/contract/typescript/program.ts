// A program with types: each line compiles, unless the comment before it expects an error.
import { Client, ServiceError, TimedOut, Unreachable, UnverifiedMessage, Urls, sign, verified } from "thumbnail-client";

const urls = new Urls("http://localhost:8000", null);
const addresses: string[] = [
  urls.thumb("https://example.com/", { w: 320, full_page: true, format: undefined }, { expiresIn: 60 }),
  urls.path("https://example.com/"),
  urls.srcset("https://example.com/", new Set([320, 640]), {}, { ratio: 16 / 9 }),
  urls.img("https://example.com/", 320, 180, { format: "webp" }, { alt: "Example" }),
  urls.card("article", { title: "Hello", image: undefined }, { format: "webp", w: 640, expiresIn: 60 }),
  sign("key", { url: "https://example.com/" }),
];
// @ts-expect-error: an address has no objects
urls.thumb("https://example.com/", { clip: { x: 0 } });
// @ts-expect-error: options come before the time
urls.thumb("https://example.com/", 60, {});

const client = new Client("http://localhost:8000", undefined, { signingKey: "key", timeout: 10 });
const bytes: Uint8Array = (await client.capture("https://example.com/", { clip: { x: 0 }, cookies: [] })).body;
const job = await client.wait(await client.createJob("https://example.com/", { persist: true }), { seconds: 10 });
const image: string | null = job.imageUrl;
// @ts-expect-error: a job may have no image
image.length;
for await (const site of client.sites({ tag: ["a", "b"], limit: 10 })) {
  const changed = await client.changeSite(site.id, { title: "New" }, { revision: site.revision });
  for await (const version of client.versions(changed.id)) await client.difference(site.id, version.number, 2);
  await client.removeSite(site.id);
}
const page = await client.pageOfSites({ sort: "added" });
const cursor: string | null = page.next;
await client.site(page.sites[0].id);
// @ts-expect-error: sites have numbers
await client.captureSite("1");

try {
  verified("whsec_c2VjcmV0", new Headers(), new Uint8Array());
  verified("whsec_c2VjcmV0", { "webhook-id": "1", "set-cookie": ["a"] }, "{}").event;
} catch (err) {
  if (err instanceof ServiceError && err.retryable) console.log(err.code, err.field, err.retryAfter ?? 0);
  if (err instanceof Unreachable || err instanceof TimedOut || err instanceof UnverifiedMessage) console.log(err.message);
}
console.log(addresses, bytes, image, cursor);
