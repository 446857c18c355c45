import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Cursor } from "../../runtime/core/events.ts";
import { NatsBus } from "../../runtime/bus/nats-bus.ts";
import { startTestConsole, type Caller, type TestConsole } from "../support/console.ts";
import { LiveClient, numbers } from "../support/live-client.ts";
import { testNats } from "../support/nats.ts";

let served: TestConsole;
let viewer: Caller;

beforeAll(async () => {
  // Lost notices are made up for within 50 ms here instead of 2 s.
  served = await startTestConsole({ live: { pollMs: 50, listGapMs: 5 } });
  viewer = await served.caller("viewer", ["viewer"]);
});
afterAll(() => served[Symbol.asyncDispose]());

const open = (caller = viewer) => LiveClient.open(served.url, caller.token);

/** Appends to a run and tells of it, as a worker does after its commit. */
function commit(session: string, count: number, run = session): number {
  const head = served.services.append(session, count, run);
  served.notify({ session, heads: { [run]: head } });
  return head;
}

describe("one session", () => {
  test("session - a subscriber gets what there is, then what is new, and knows at once that it is current", async () => {
    const session = served.services.addSession();
    using client = await open();
    client.subscribe("s", { kind: "session", session, have: { [session]: 1 } });
    const first = await client.next("events");
    expect(first).toMatchObject({ id: "s", events: [], session: { session }, runs: [{ run: session, events: 1 }] });
    const child = randomUUID();
    commit(session, 3);
    commit(session, 2, child);
    await client.until(() => client.seqs(session).length === 3 && client.seqs(child).length === 2);
    expect(client.seqs(session)).toEqual([2, 3, 4]);
    expect(client.seqs(child)).toEqual([1, 2]);
  });

  test("session - after a gap of 100 events exactly those 100 are sent", async () => {
    const session = served.services.addSession();
    const before = await open();
    before.subscribe("s", { kind: "session", session, have: {} });
    commit(session, 19);
    await before.until(() => before.seqs(session).length === 20);
    await before.cut();
    commit(session, 100);
    using after = await open();
    after.subscribe("again", { kind: "session", session, have: { [session]: 20 } });
    await after.until(() => after.seqs(session).includes(120));
    commit(session, 1);
    await after.until(() => after.seqs(session).includes(121));
    expect(after.seqs(session)).toEqual(numbers(21, 121));
  });

  test("session - a gap over a restart of the server is closed as well", async () => {
    const session = served.services.addSession();
    using before = await open();
    before.subscribe("s", { kind: "session", session, have: {} });
    await before.next("events");
    await served.restart();
    expect(await before.closed).toEqual({ code: 1001, reason: "shutting_down" });
    served.services.append(session, 100);
    using after = await open();
    after.subscribe("s", { kind: "session", session, have: { [session]: 1 } });
    await after.until(() => after.seqs(session).includes(101));
    expect(after.seqs(session)).toEqual(numbers(2, 101));
  });

  test("session - notices that come ten times, late or not at all lead to no double and no gap", async () => {
    const session = served.services.addSession();
    using client = await open();
    client.subscribe("s", { kind: "session", session, have: {} });
    for (const round of numbers(1, 20)) {
      const head = served.services.append(session, 5);
      // Every fourth round nobody is told: the poll has to find out.
      const copies = round % 4 === 0 ? 0 : 10;
      for (let i = 0; i < copies; i++) served.notify({ session, heads: { [session]: i % 2 === 0 ? head : 1 } });
      if (round % 5 === 0) await client.until(() => client.seqs(session).includes(head));
    }
    await client.until(() => client.seqs(session).includes(101));
    expect(client.seqs(session)).toEqual(numbers(1, 101));
  });

  test("session - whatever is committed, noticed, lost and cut: each client sees each event once, in order", async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          do: fc.constant("append" as const),
          run: fc.nat(2),
          count: fc.integer({ min: 1, max: 40 }),
          told: fc.nat(3),
        }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("cut" as const), client: fc.nat(2) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("wait" as const), client: fc.nat(2) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const session = served.services.addSession();
        const runs = [session, randomUUID(), randomUUID()];
        const heads: Record<string, number> = { [session]: 1 };
        const watchers = await Promise.all([0, 1, 2].map(() => Watcher.start(session)));
        for (const one of steps) {
          if (one.do === "append") {
            const run = runs[one.run] ?? session;
            heads[run] = served.services.append(session, one.count, run);
            for (let i = 0; i < one.told; i++) served.notify({ session, heads: { [run]: heads[run] } });
          } else if (one.do === "cut") await watchers[one.client]?.reconnect();
          else await watchers[one.client]?.until(heads);
        }
        for (const watcher of watchers) {
          await watcher.until(heads);
          for (const [run, head] of Object.entries(heads)) expect(watcher.seen(run)).toEqual(numbers(1, head));
          watcher.client[Symbol.dispose]();
        }
      }),
      { numRuns: 20 },
    );
  });

  test("session - fifty clients that have got equally far cost one read, not fifty", async () => {
    const session = served.services.addSession();
    const clients = await Promise.all(numbers(1, 50).map(() => open()));
    for (const client of clients) client.subscribe("s", { kind: "session", session, have: { [session]: 1 } });
    await Promise.all(clients.map((client) => client.next("events")));
    let underWay = 0;
    let most = 0;
    served.services.beforeRead = async () => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setImmediate(resolve));
      underWay -= 1;
    };
    served.services.reads.eventsAfter.length = 0;
    commit(session, 10);
    for (let i = 0; i < 100; i++) served.notify({ session, heads: { [session]: 11 } });
    await Promise.all(clients.map((client) => client.until(() => client.seqs(session).includes(11))));
    served.services.beforeRead = null;
    const reads = served.services.reads.eventsAfter.filter(
      (read) => read.session === session && read.cursor[session] === 1,
    );
    expect(reads).toHaveLength(1);
    expect(most).toBe(1);
    for (const client of clients) {
      expect(client.seqs(session)).toEqual(numbers(2, 11));
      client[Symbol.dispose]();
    }
  });

  test("session - a notice that comes while a read is under way leads to another read, without any poll", async () => {
    await using quiet = await startTestConsole({ live: { pollMs: 3_600_000 } });
    const caller = await quiet.caller("ada", ["viewer"]);
    const session = quiet.services.addSession();
    using client = await LiveClient.open(quiet.url, caller.token);
    client.subscribe("s", { kind: "session", session, have: {} });
    await client.next("events");
    let started = 0;
    quiet.services.afterRead = () => {
      started += 1;
      if (started > 1) return;
      // The read has its answer already; what is committed now is not in it.
      quiet.services.append(session, 1);
      quiet.notify({ session, heads: { [session]: 3 } });
    };
    quiet.services.append(session, 1);
    quiet.notify({ session, heads: { [session]: 2 } });
    await client.until(() => client.seqs(session).includes(3));
    expect(client.seqs(session)).toEqual([1, 2, 3]);
    expect(started).toBe(2);
  });

  test("session - one that does not exist, and a client that has more than there is, are told to load again", async () => {
    using client = await open();
    client.subscribe("gone", { kind: "session", session: randomUUID(), have: {} });
    expect(await client.next("resync", ({ id }) => id === "gone")).toMatchObject({ reason: "not_found" });
    const session = served.services.addSession();
    client.subscribe("ahead", { kind: "session", session, have: { [session]: 7 } });
    expect(await client.next("resync", ({ id }) => id === "ahead")).toMatchObject({ reason: "ahead_of_record" });
    client.subscribe("stranger", { kind: "session", session, have: { [session]: 1, [randomUUID()]: 1 } });
    expect(await client.next("resync", ({ id }) => id === "stranger")).toMatchObject({ reason: "ahead_of_record" });
    // The id is free again.
    client.subscribe("ahead", { kind: "session", session, have: {} });
    await client.next("events", ({ id }) => id === "ahead");
  });

  test("session - while the database is away subscribers keep waiting, and then get exactly the rest", async () => {
    const session = served.services.addSession();
    using client = await open();
    client.subscribe("s", { kind: "session", session, have: {} });
    await client.next("events");
    served.services.outage = new Error("connection refused");
    served.services.reads.eventsAfter.length = 0;
    commit(session, 5);
    await expect.poll(() => served.services.reads.eventsAfter.length).toBeGreaterThan(2);
    expect(client.seqs(session)).toEqual([1]);
    served.services.outage = null;
    await client.until(() => client.seqs(session).includes(6));
    expect(client.seqs(session)).toEqual(numbers(1, 6));
  });

  test("session - after unsubscribing nothing more comes, and nothing more is read", async () => {
    const session = served.services.addSession();
    using client = await open();
    client.subscribe("one", { kind: "session", session, have: {} });
    client.subscribe("two", { kind: "session", session, have: {} });
    await client.next("events", ({ id }) => id === "one");
    client.send({ type: "unsubscribe", id: "one" });
    client.send({ type: "unsubscribe", id: "never-was" });
    // Its answer shows that the server has handled what was sent before it.
    client.subscribe("mark", { kind: "session", session: randomUUID(), have: {} });
    await client.next("resync", ({ id }) => id === "mark");
    commit(session, 3);
    await client.until(() => client.seqs(session, "two").includes(4));
    expect(client.seqs(session, "one")).toEqual([1]);
    client.send({ type: "unsubscribe", id: "two" });
    client.subscribe("mark", { kind: "session", session: randomUUID(), have: {} });
    await client.until(() => client.all("resync").length === 2);
    served.services.reads.eventsAfter.length = 0;
    commit(session, 3);
    using other = await open();
    other.subscribe("s", { kind: "session", session, have: { [session]: 7 } });
    await other.next("events");
    expect(served.services.reads.eventsAfter.every(({ cursor }) => cursor[session] === 7)).toBe(true);
  });
});

describe("over NATS", () => {
  test("session - a worker's notice on NATS brings its events, without any poll", async () => {
    const { worker, console: reader } = testNats();
    const publishing = await NatsBus.connect({ access: worker, name: "live-test-worker", role: "worker" });
    const listening = await NatsBus.connect({ access: reader, name: "live-test-console", role: "console" });
    try {
      await using quiet = await startTestConsole({ bus: listening, live: { pollMs: 3_600_000 } });
      const caller = await quiet.caller("ada", ["viewer"]);
      const session = quiet.services.addSession();
      using client = await LiveClient.open(quiet.url, caller.token);
      client.subscribe("s", { kind: "session", session, have: {} });
      await client.next("events");
      const head = quiet.services.append(session, 3);
      publishing.live({ session, heads: { [session]: head } });
      await client.until(() => client.seqs(session).includes(4));
      expect(client.seqs(session)).toEqual([1, 2, 3, 4]);
    } finally {
      await publishing.close();
      await listening.close();
    }
  });
});

describe("lists", () => {
  test("sessions - new and changed ones are sent, whether a notice tells of them or not", async () => {
    const known = served.services.addSession();
    using client = await open();
    client.subscribe("list", { kind: "sessions" });
    await client.next("session", ({ session }) => session.session === known);
    commit(known, 4);
    await client.next("session", ({ session }) => session.session === known && session.events === 5);
    const silent = served.services.addSession("claims");
    await client.next("session", ({ session }) => session.session === silent && session.agent === "claims");
    const before = client.all("session").length;
    served.notify({ session: known, heads: { [known]: 5 } });
    commit(silent, 1);
    await client.next("session", ({ session }) => session.session === silent && session.events === 2);
    // The notice about the one that had not changed sent nothing.
    expect(client.all("session").length).toBe(before + 1);
  });

  test("approvals - what is held appears, and what was decided goes to everybody as each may see it", async () => {
    const decider = await served.caller("decider", ["operator"]);
    await served.people.addToPool("claims", "decider");
    const session = served.services.addSession();
    const earlier = served.services.hold(session, "claims");
    using watching = await open();
    using deciding = await open(decider);
    watching.subscribe("inbox", { kind: "approvals" });
    deciding.subscribe("inbox", { kind: "approvals" });
    await watching.next("approval", ({ approval }) => approval.approval === earlier);
    const id = served.services.hold(session, "claims");
    served.notify({ session, heads: { [session]: 1 } });
    const seen = await watching.next("approval", ({ approval }) => approval.approval === id);
    const own = await deciding.next("approval", ({ approval }) => approval.approval === id);
    expect(seen.approval.cannotDecide).toContain("not in the pool");
    expect(own.approval.cannotDecide).toBeNull();
    await decider.post(`/api/approvals/${id}/decide`, { decision: "approve", argsHash: own.approval.argsHash });
    await Promise.all(
      [watching, deciding].map((client) =>
        client.next("approval", ({ approval }) => approval.approval === id && approval.status === "approved"),
      ),
    );
  });

  test("questions - what is asked appears, and the answer goes to everybody as each may see it", async () => {
    const asked = await served.caller("asked", ["operator"]);
    await served.people.addToPool("claims", "asked");
    const session = served.services.addSession();
    const earlier = served.services.question(session, "claims");
    using watching = await open();
    using answering = await open(asked);
    for (const client of [watching, answering]) client.subscribe("inbox", { kind: "questions" });
    await watching.next("question", ({ question }) => question.question === earlier);
    const id = served.services.question(session, "claims");
    served.notify({ session, heads: { [session]: 1 } });
    const seen = await watching.next("question", ({ question }) => question.question === id);
    const own = await answering.next("question", ({ question }) => question.question === id);
    expect(seen.question.cannotAnswer).toContain("not in the pool");
    expect(own.question.cannotAnswer).toBeNull();
    await asked.post(`/api/questions/${id}/answer`, { answer: "repair" });
    const told = await Promise.all(
      [watching, answering].map((client) =>
        client.next("question", ({ question }) => question.question === id && question.status === "answered"),
      ),
    );
    for (const { question } of told) expect(question.answered).toMatchObject({ by: "asked", value: "repair" });
  });

  test("lists - a newcomer gets the whole list, though reading failed when they came", async () => {
    await using quiet = await startTestConsole({ live: { pollMs: 3_600_000, listGapMs: 1 } });
    const caller = await quiet.caller("ada", ["viewer"]);
    const older = quiet.services.addSession();
    quiet.services.outage = new Error("connection refused");
    using client = await LiveClient.open(quiet.url, caller.token);
    client.subscribe("list", { kind: "sessions" });
    await expect.poll(() => quiet.logged.some((line) => line.includes("a list could not be read"))).toBe(true);
    quiet.services.outage = null;
    // A notice of another session, and not of the older one.
    const newer = quiet.services.addSession();
    quiet.notify({ session: newer, heads: { [newer]: 1 } });
    await client.next("session", ({ session }) => session.session === newer);
    await client.next("session", ({ session }) => session.session === older);
  });

  test("approvals - a fresh database does not stop the inbox", async () => {
    const session = served.services.addSession();
    const old = served.services.hold(session, "claims");
    using client = await open();
    client.subscribe("inbox", { kind: "approvals" });
    await client.next("approval", ({ approval }) => approval.approval === old);
    served.services.forget();
    const id = served.services.hold(served.services.addSession(), "claims");
    await client.next("approval", ({ approval }) => approval.approval === id);
  });
});

/** A client that keeps its cursor over reconnections, as a page does. */
class Watcher {
  client: LiveClient;
  readonly #session: string;
  readonly #earlier: LiveClient[] = [];

  private constructor(session: string, client: LiveClient) {
    this.#session = session;
    this.client = client;
  }

  static async start(session: string): Promise<Watcher> {
    const watcher = new Watcher(session, await open());
    watcher.#subscribe();
    return watcher;
  }

  /** Everything that was ever received of a run, in order of arrival. */
  seen(run: string): number[] {
    return [...this.#earlier, this.client].flatMap((client) => client.seqs(run));
  }

  async until(heads: Readonly<Record<string, number>>): Promise<void> {
    const cursor = () => this.#cursor();
    await this.client.until(() => Object.entries(heads).every(([run, head]) => (cursor()[run] ?? 0) >= head));
  }

  async reconnect(): Promise<void> {
    await this.client.cut();
    this.#earlier.push(this.client);
    this.client = await open();
    this.#subscribe();
  }

  #subscribe(): void {
    this.client.subscribe("s", { kind: "session", session: this.#session, have: this.#cursor() });
  }

  #cursor(): Cursor {
    const cursor: Record<string, number> = {};
    for (const client of [...this.#earlier, this.client]) {
      for (const { events } of client.all("events")) for (const { run, seq } of events) cursor[run] = seq;
    }
    return cursor;
  }
}
