import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NewEvent } from "../../../runtime/core/events.ts";
import type { Journal } from "../../../runtime/core/journal.ts";
import { FencedError } from "../../../runtime/journal/errors.ts";
import { verifyChain, type StoredEvent } from "../../../runtime/core/chain.ts";
import { createTestDatabase, type TestDatabase } from "../../support/database.ts";
import { isEnd, TestEngine } from "../../support/engine.ts";
import { openJournal, type TestJournal } from "../../support/journal.ts";
import { given, program, programAgent, sayOfPrograms, World } from "../../support/programs.ts";

let database: TestDatabase;
let real: TestJournal;
beforeAll(async () => {
  database = await createTestDatabase();
  real = openJournal(database.url);
});
afterAll(async () => {
  await real[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** The real journal, and a worker that dies at an append. */
function dying(cut: (events: readonly NewEvent[]) => boolean): Journal {
  const { journal } = real;
  let dead = false;
  let written: Promise<unknown> = Promise.resolve();
  // What was appended before is written: a run never goes on from less than what it was told is on disk.
  const died = async (): Promise<never> => {
    await written;
    throw new FencedError("The worker died here.");
  };
  return {
    append(head, events, options) {
      dead ||= cut(events);
      if (!dead) {
        const appended = journal.append(head, events, options);
        written = appended.durable.catch(() => undefined);
        return appended;
      }
      const durable = died();
      durable.catch(() => undefined);
      return { events: [], durable };
    },
    create: (run, claimFor) => journal.create(run, claimFor),
    begin: (run, claimFor, options) => journal.begin(run, claimFor, options),
    startedWith: (agent, key) => journal.startedWith(agent, key),
    claim: async (runs, claimant) => {
      dead = false;
      return journal.claim(runs, claimant);
    },
    withMail: (runs) => journal.withMail(runs),
    claimAny: () => Promise.resolve([]),
    renew: (heads, worker, leaseMs) => journal.renew(heads, worker, leaseMs),
    release: (head) => journal.release(head),
    read: (run, after) => journal.read(run, after),
    mailbox: (run) => journal.mailbox(run),
    deliver: (run, message) => journal.deliver(run, message),
  };
}

describe("random programs on the real journal", () => {
  test("cut off and replayed - hear everything again in the same places, and the chain holds", async () => {
    await fc.assert(
      fc.asyncProperty(
        program,
        fc.nat(8),
        fc.array(fc.nat(7), { minLength: 1, maxLength: 20 }),
        async (source, cut, latencies) => {
          let asked = 0;
          const world = new World(() => latencies[asked++ % latencies.length] ?? 0);
          let ends = 0;
          let limit = cut;
          const journal = dying((events) => (ends += events.filter(isEnd).length) > limit);
          const engine = new TestEngine({ journal, say: sayOfPrograms, limits: { leaseMs: 0 } });
          let heard: string[] = [];
          const agent = programAgent(source, world, (place, what) => heard.push(`${place}=${what}`));
          const compiled = engine.compile(agent);
          const run = await engine.create(agent, {});
          const first = await engine.attempt(compiled, run);
          const before = heard;
          if (first === "cut") {
            // Reads are handed over before they are on disk; what the disk does not hold may come out anew.
            const kept = Math.min(before.length, given(await engine.events(run)).length);
            heard = [];
            ends = 0;
            limit = Infinity;
            expect(await engine.attempt(compiled, run)).toBe("finished");
            expect(heard.slice(0, kept)).toEqual(before.slice(0, kept));
          }
          const events = await engine.events(run);
          expect(heard.map((line) => line.slice(line.indexOf("=") + 1))).toEqual(given(events));
          const stored = await real.database.query<StoredEvent>(
            `select run_id as run, seq, type, v, at, data, salt, encode(payload_hash, 'hex') as "payloadHash", encode(hash, 'hex') as hash
           from events where run_id = $1 order by seq`,
            [run],
          );
          const last = events.at(-1);
          expect(verifyChain(stored, { seq: last?.seq ?? 0, hash: last?.hash ?? "" })).toBeNull();
        },
      ),
      { numRuns: 40 },
    );
  });
});
