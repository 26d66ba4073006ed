// The peer of cards: the `article` template as satori and resvg draw it, `GET /?title=…` → PNG. No cache.
// Usage: node server.mjs PORT WORKERS SERIF_FONT SANS_FONT SANS_BOLD_FONT
import cluster from "node:cluster";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import process from "node:process";

import { Resvg } from "@resvg/resvg-js";
import satori from "satori";

const [port, workers, ...files] = process.argv.slice(2);

async function serve() {
  const [serif, sans, bold] = await Promise.all(files.map((file) => readFile(file)));
  const fonts = [
    { name: "serif", data: serif, weight: 700, style: "normal" },
    { name: "sans", data: sans, weight: 400, style: "normal" },
    { name: "sans", data: bold, weight: 700, style: "normal" },
  ];
  const server = createServer(async (request, response) => {
    const { searchParams } = new URL(request.url, "http://localhost");
    const svg = await satori(card(searchParams), { width: 1200, height: 630, fonts });
    const png = new Resvg(svg).render().asPng();
    response.writeHead(200, { "Content-Type": "image/png" }).end(png);
  });
  server.listen(Number(port), "127.0.0.1");
}

const box = (style, ...children) => ({ type: "div", props: { style: { display: "flex", boxSizing: "border-box", ...style }, children } });

function card(data) {
  return box(
    {
      width: "100%", height: "100%", flexDirection: "column", padding: "56px 80px 60px", gap: 36, background: "#fbfaf7",
      color: "#14161b", borderTop: "12px solid #2f5bea", fontFamily: "sans", fontSize: 24,
    },
    box(
      { alignItems: "center", justifyContent: "space-between" },
      box({ fontSize: 28, fontWeight: 700 }, data.get("brand")),
      box(
        { padding: "5px 18px", borderRadius: 32, background: "#2f5bea", color: "#f6f6f3", fontSize: 20, fontWeight: 700 },
        data.get("tag"),
      ),
    ),
    box(
      { flexDirection: "column", flexGrow: 1, justifyContent: "center", gap: 8 },
      box({ fontFamily: "serif", fontSize: 88, lineHeight: 1.06, letterSpacing: -1, textWrap: "balance" }, data.get("title")),
      box({ fontSize: 33, color: "#5f6063" }, data.get("description")),
    ),
    box(
      { justifyContent: "space-between", paddingTop: 28, borderTop: "2px solid #dadad7", fontSize: 26 },
      box({ fontWeight: 700 }, data.get("author")),
      box({ color: "#5f6063" }, data.get("note")),
    ),
  );
}

if (cluster.isPrimary) {
  for (let count = 0; count < Number(workers); count += 1) cluster.fork();
} else {
  await serve();
}
