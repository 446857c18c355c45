// Prints "N passed, N failed, N skipped" from the report that vitest's JSON reporter wrote to the file
// named by the first argument. Exits with 1 if a test or a whole file failed, or if nothing ran.
import { readFile } from "node:fs/promises";

const report = JSON.parse(await readFile(process.argv[2], "utf8"));
const skipped = report.numPendingTests + report.numTodoTests;
// A file that cannot even be loaded has no failed test of its own; it must not pass for that.
const unloaded = report.testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
const failed = report.numFailedTests + unloaded.length;

for (const file of unloaded) console.log(`could not be loaded: ${file.name}`);
console.log(`${report.numPassedTests} passed, ${failed} failed, ${skipped} skipped`);
if (failed > 0 || report.numPassedTests === 0) process.exitCode = 1;
