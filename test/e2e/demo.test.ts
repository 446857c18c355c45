import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

describe("npm run demo", () => {
  test(
    "every claim - ends as expected, is recorded, replayed and agrees with the bank, while workers are killed",
    { timeout: 180_000 },
    async () => {
      const { stdout } = await promisify(execFile)("npm", ["run", "--silent", "demo", "--", "--json"], {
        cwd: ROOT,
        timeout: 170_000,
      });
      const last: unknown = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
      expect(last).toMatchObject({
        sessions: 101,
        approvalsRequested: 27,
        approved: 15,
        rejected: 12,
        denied: 7,
        inDoubt: 0,
        payments: 53,
        duplicatePayments: 0,
        lost: 0,
        outcomesAsExpected: 100,
        auditVerified: true,
        replayed: 101,
        replayMismatches: 0,
      });
      expect((last as { workersKilled: number }).workersKilled).toBeGreaterThanOrEqual(1);
      for (const kind of [
        "paid",
        "held, then paid",
        "denied",
        "rejected input",
        "recovered after its worker was killed",
      ]) {
        expect(stdout).toContain(`: ${kind}`);
      }
    },
  );
});
