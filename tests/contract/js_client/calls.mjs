import { Client } from "../../../clients/js/index.js";
import { given, listed, print, tell } from "./telling.mjs";

const { base, apiKey, signingKey, page } = given;
const client = new Client(`${base}/`, apiKey);
const told = ({ body, ...picture }) => ({ ...picture, body: Buffer.from(body).toString("base64") });

async function pictures() {
  await tell("picture", async () => told(await client.capture(`${page}picture`, { w: 320, h: 180, format: "webp" })));
  await tell("known picture", async () => (await client.capture(`${page}picture`, { w: 320, h: 180, format: "webp" })).cache);
  await tell("stored", () => client.persist(`${page}stored`, { w: 320, h: 180 }));
  await tell("stored again", () => client.persist(`${page}stored`, { w: 320, h: 180 }));
}

async function jobs() {
  await tell("job", async () => {
    const job = await client.wait(await client.createJob(`${page}job`, { w: 320, h: 180, format: "webp", persist: true }));
    return [job, await client.job(job.id), (await client.jobPicture(job)).contentType];
  });
  await tell("lasting job", async () => client.wait(await client.createJob(`${page}lasting`), { seconds: 0 }));
  await tell("failed job", async () => client.wait(await client.createJob(`${page}missing`)));
}

async function refusals() {
  await tell("blocked", () => client.capture("http://10.0.0.1/"));
  await tell("too small", () => client.capture(page, { w: 3 }));
  await tell("unknown option", () => client.capture(page, { colour: "red" }));
  await tell("pending", () => client.capture(`${page}slow`, { wait: 0 }));
  await tell("wrong key", () => new Client(base, "wrong").persist(page));
  await tell("nobody there", () => new Client(given.nobody).persist(page));
  await tell("silence", () => new Client(given.silent, apiKey, { timeout: 0.2 }).persist(page));
  await tell("another service", () => new Client(`${base}/?`, apiKey).metadata(page));
  await tell("redirect", () => new Client(given.redirecting, apiKey).job("1"));
  await tell("no scheme", () => new Client("localhost:8000"));
}

async function metadata() {
  await tell("metadata", () => new Client(base, apiKey, { signingKey }).metadata(page, { full_page: true }));
  await tell("signed picture", async () => told(await new Client(base, null, { signingKey }).capture(`${page}signed`, { w: 320 })));
  await tell("metadata without a signature", () => client.metadata(page));
}

async function sites() {
  const added = [];
  const all = async (filters) => (await listed(client.sites(filters))).map(({ id }) => id);
  for (const name of ["a", "b", "c"]) added.push(await client.addSite(`${page}js/${name}`, { tags: ["js", name] }));
  const [a, b, c] = added;

  await tell("ready", async () => {
    for (let ready = 0; ready < 3; await new Promise((resolve) => setTimeout(resolve, 50))) {
      ready = (await listed(client.sites({ tag: "js", status: "ready" }))).length;
    }
  });
  await tell("added", () => added.map(({ id }) => id));
  await tell("listed in two pages", () => all({ tag: "js", limit: 2, sort: "added" }));
  await tell("one page", () => client.pageOfSites({ tag: ["js", "JS"], limit: 2 }));
  await tell("one site", () => client.site(b.id));
  await tell("with two tags", () => all({ tag: ["js", "b"] }));
  await tell("versions", async () => (await listed(client.versions(a.id))).map(({ number }) => number));
  await tell("changed", () => client.changeSite(a.id, { title: "First" }, { revision: a.revision }));
  await tell("changed twice", () => client.changeSite(a.id, { title: "Second" }, { revision: a.revision }));
  await tell("removed too late", () => client.removeSite(a.id, { revision: a.revision }));
  await tell("captured again", async () => (await client.captureSite(b.id)).id);
  await tell("difference", async () => {
    const body = Buffer.from(given.other, "base64");
    await fetch(`${base}/sites/${a.id}/picture`, { method: "PUT", body, headers: { "X-API-Key": apiKey } });
    return [await client.difference(a.id, 1, 2), (await client.differencePicture(a.id, 1, 2)).contentType];
  });
  await tell("removed", () => client.removeSite(c.id, { revision: c.revision }) ?? null);
  await tell("left", () => all({ tag: "js", sort: "added" }));
}

await Promise.all([pictures(), jobs(), refusals(), metadata(), sites()]);
print();
