import { Urls, sign } from "../../../clients/js/index.js";
import { given, print, tell } from "./telling.mjs";

const { base, key, page, pages, widths } = given;
const urls = new Urls(`${base}/`, key);

await tell("signatures", () => given.signed.map((options) => sign("a-signing-key-of-the-docs", options)));
await tell("thumbs", () => pages.map(({ url, options }) => urls.thumb(url, options)));
await tell("paths", () => pages.map(({ url, options }) => urls.path(url, options)));
await tell("srcset", () => urls.srcset(page, widths, { format: "webp" }, { ratio: 16 / 9 }));
await tell("srcset without a ratio", () => urls.srcset(page, new Set(widths)));
await tell("img", () => urls.img(page, 320, 180, { format: "webp" }, { alt: `a "quoted" 'name' <&>` }));
await tell("cards", () => [
  urls.card("quote", { quote: "One\r\ntwo 'three' & 4", author: "Ä" }),
  urls.card("quote", { quote: "One" }, { format: "webp", w: 640, scale: 2 }),
]);
await tell("good for a minute", () => urls.thumb(page, { w: 320 }, { expiresIn: 60 }));
await tell("path for a minute", () => urls.path(page, { w: 320 }, { expiresIn: 60 }));
await tell("expired", () => urls.thumb(page, {}, { expiresIn: -5 }));
await tell("line break", () => sign(key, { url: page, hide: "a\nb" }));
await tell("no key", () => sign("", { url: page }));
await tell("an object", () => urls.thumb(page, { clip: { x: 0 } }));

// As in a browser.
delete process.getBuiltinModule;
process.getBuiltinModule = undefined;
await tell("unsigned without Node", () => [new Urls(base).thumb(page, { w: undefined }), new Urls(base).path(page)]);
await tell("signed without Node", () => urls.thumb(page));

print();
