import { randomUUID } from "node:crypto";
import { connect } from "nats";
import { Annotation, END, START, StateGraph } from "@langchain/langgraph";
import { defineAgent, defineConfig } from "signalbox";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NatsBus } from "../../runtime/bus/nats-bus.ts";
import { MAX_TOKEN_TEXT, type TokenFrame } from "../../runtime/core/bus.ts";
import { startTestConsole, type Caller, type TestConsole } from "../support/console.ts";
import { LiveClient } from "../support/live-client.ts";
import { testNats } from "../support/nats.ts";
import { startPlatformConsole } from "../support/platform-console.ts";
import { startTestPlatform } from "../support/platform.ts";
import { PERMIT_ALL, rulesFile } from "../support/rules-file.ts";
import { ScriptedModel } from "../support/scripted-model.ts";

let served: TestConsole;
let viewer: Caller;

beforeAll(async () => {
  served = await startTestConsole({ live: { pollMs: 50, listGapMs: 5 } });
  viewer = await served.caller("viewer", ["viewer"]);
});
afterAll(() => served[Symbol.asyncDispose]());

function frame(session: string, text: string, offset = 0): TokenFrame {
  return { session, run: session, effect: "e", node: "1/a", name: "model.chat:clerk", offset, text };
}

async function watching(session: string): Promise<LiveClient> {
  const client = await LiveClient.open(served.url, viewer.token);
  client.subscribe("s", { kind: "session", session, have: {} });
  await client.next("events");
  return client;
}

describe("a model's words on the live socket", () => {
  test("reach whoever watches the session, under their subscription, and nobody else", async () => {
    const [session, other] = [served.services.addSession(), served.services.addSession()];
    using client = await watching(session);
    using elsewhere = await watching(other);
    served.say(frame(session, "<b>one</b>"));
    served.say({ ...frame(session, " two", 10), done: true });
    served.say(frame(other, "not for you"));
    await client.next("tokens", ({ done }) => done === true);
    const { session: _, ...words } = frame(session, "<b>one</b>");
    expect(client.all("tokens")).toEqual([
      { type: "tokens", id: "s", ...words },
      { type: "tokens", id: "s", ...words, text: " two", offset: 10, done: true },
    ]);
    const heard = await elsewhere.next("tokens");
    expect([elsewhere.all("tokens").length, heard.text]).toEqual([1, "not for you"]);
  });

  test("somebody who does not read - is sent none of them until what counts has been read, and all events then", async () => {
    const session = served.services.addSession();
    const long = "x".repeat(MAX_TOKEN_TEXT);
    using slow = await watching(session);
    using quick = await watching(session);
    slow.socket.pause();
    // More than any socket buffer takes: 80 MB for each, if nothing were dropped.
    for (let i = 0; i < 10_000; i++) served.say(frame(session, long, i * long.length));
    const head = served.services.append(session, 2);
    served.notify({ session, heads: { [session]: head } });
    await quick.until(() => quick.seqs(session).includes(3));
    slow.socket.resume();
    await slow.until(() => slow.seqs(session).includes(3));
    expect(slow.seqs(session)).toEqual([1, 2, 3]);
    expect(slow.all("tokens").length).toBeLessThan(5000);
  });
});

describe("over NATS", () => {
  test("a worker's frames arrive; what is no frame, or a larger one than we send, does not", async () => {
    const { worker, console: reader } = testNats();
    const publishing = await NatsBus.connect({ access: worker, name: "tokens-worker", role: "worker" });
    const listening = await NatsBus.connect({ access: reader, name: "tokens-console", role: "console" });
    const { user, password, inboxPrefix, servers } = worker;
    const stranger = await connect({
      servers: [...servers],
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { pass: password }),
      ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    });
    try {
      const heard: TokenFrame[] = [];
      const notices: unknown[] = [];
      await listening.onTokens((one) => heard.push(one));
      await listening.onLive((one) => notices.push(one));
      await listening.ping();
      const session = randomUUID();
      for (const wrong of [
        "",
        "{",
        { ...frame(session, "x"), offset: -1 },
        frame(session, "x".repeat(MAX_TOKEN_TEXT + 1)),
      ]) {
        stranger.publish(`live.${session}`, typeof wrong === "string" ? wrong : JSON.stringify(wrong));
      }
      await stranger.flush();
      publishing.tokens(frame(session, "one"));
      publishing.live({ session, heads: { [session]: 1 } });
      await publishing.ping();
      await listening.ping();
      expect(heard).toEqual([frame(session, "one")]);
      expect(notices).toEqual([{ session, heads: { [session]: 1 } }]);
    } finally {
      await stranger.close();
      await publishing.close();
      await listening.close();
    }
  });

  test("a worker's model speaks - the words reach a socket while the call is under way, before any record of it", async () => {
    await using platform = await startTestPlatform();
    const State = Annotation.Root({ said: Annotation<string>() });
    let goOn: () => void = () => undefined;
    const heard = new Promise<void>((resolve) => (goOn = resolve));
    const model = new ScriptedModel(() => "Dear Ada, yours");
    let pieces = 0;
    // The last word is held back until the first ones have been seen.
    model.between = () => (++pieces === 2 ? heard : Promise.resolve());
    const agent = defineAgent({
      name: "writer",
      state: State,
      graph: ({ langchain }) =>
        new StateGraph(State)
          .addNode("write", async () => ({ said: (await langchain.model("letters").invoke("Write.")).text }))
          .addEdge(START, "write")
          .addEdge("write", END),
    });
    const config = defineConfig({ agents: [agent], rules: [await rulesFile(PERMIT_ALL)], models: { letters: model } });
    await using page = await startPlatformConsole(platform, config);
    const caller = await page.caller("ada", ["viewer"]);
    const run = await platform.start(config, "writer", {});
    using client = await LiveClient.open(page.url, caller.token);
    client.subscribe("s", { kind: "session", session: run, have: {} });
    await client.next("events");
    await using _worker = await platform.worker(config);
    const words = await client.next("tokens");
    expect(words).toMatchObject({
      id: "s",
      run,
      name: "model.chat:letters",
      node: "1/write",
      text: "Dear Ada, ",
      offset: 0,
    });
    expect(
      client
        .all("events")
        .flatMap(({ events }) => events)
        .map(({ type }) => type),
    ).not.toContain("effect_recorded");
    goOn();
    const events = await platform.reach(run, "finished");
    const recorded = events.find((event) => event.type === "effect_recorded");
    expect(recorded?.data).toMatchObject({ effect: words.effect });
    expect(events.at(-1)?.data).toMatchObject({ output: { said: "Dear Ada, yours" } });
  });
});
