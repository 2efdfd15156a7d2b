import path from "node:path";
const { area } = await import(path.resolve(process.argv[2]));
if (area("square", 3) !== 9 || area("circle", 1) !== 3 || area("x", 1) !== 0) process.exit(1);
