// Stands for a worker beside a worker: says that it is there in a file of its own, and ends with its standard input.
import { writeFileSync } from "node:fs";
import { join } from "node:path";

writeFileSync(join(process.argv[2] ?? "", String(process.pid)), process.argv.slice(3).join(" "));
process.stdin.resume().on("end", () => process.exit(0));
process.on("SIGTERM", () => process.exit(0));
