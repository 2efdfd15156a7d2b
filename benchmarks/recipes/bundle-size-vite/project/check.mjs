import fs from "node:fs";
import path from "node:path";
const folder = path.resolve(process.argv[2]);
const page = fs.readFileSync(path.join(folder, "index.html"), "utf8");
const entry = page.match(/src="([^"]+\.js)"/)[1];
await import(path.join(folder, entry));
const area = globalThis.area;
if (area("square", 3) !== 9 || area("circle", 1) !== 3 || area("x", 1) !== 0) process.exit(1);
