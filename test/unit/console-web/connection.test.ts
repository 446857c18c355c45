import { describe, expect, it } from "vitest";
import { LiveConnection, type SocketEvents, type TopicMessage } from "../../../console/web/live/connection.ts";
import type { ClientMessage, ServerMessage } from "../../../runtime/core/protocol.ts";

/** A world in which time and the server's side of each socket are moved by hand. */
class HandWorld {
  now = 0;
  readonly sockets: { readonly events: SocketEvents; readonly sent: ClientMessage[]; closed: boolean }[] = [];
  #timers: { at: number; then: () => void }[] = [];
  readonly connection = new LiveConnection({
    openSocket: (events) => {
      const socket = { events, sent: [] as ClientMessage[], closed: false };
      this.sockets.push(socket);
      return {
        send: (text) => void socket.sent.push(JSON.parse(text) as ClientMessage),
        close: () => (socket.closed = true),
      };
    },
    now: () => this.now,
    random: () => 0,
    after: (ms, then) => {
      const timer = { at: this.now + ms, then };
      this.#timers.push(timer);
      return () => (this.#timers = this.#timers.filter((other) => other !== timer));
    },
  });

  get socket() {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("No socket was opened yet.");
    return socket;
  }

  pass(ms: number): void {
    this.now += ms;
    for (const timer of this.#timers.filter(({ at }) => at <= this.now)) {
      this.#timers = this.#timers.filter((other) => other !== timer);
      timer.then();
    }
  }

  say(message: ServerMessage): void {
    this.socket.events.received(JSON.stringify(message));
  }

  welcome(serverTime = this.now): void {
    this.socket.events.opened();
    this.say({ type: "welcome", protocol: 1, serverTime });
  }

  /** The ids of the subscriptions that the newest socket was asked for. */
  get subscribed(): string[] {
    return this.socket.sent.flatMap((message) => (message.type === "subscribe" ? [message.id] : []));
  }
}

const resync = (id: string): ServerMessage => ({ type: "resync", id, reason: "behind" });

describe("live connection", () => {
  it("says hello first, and subscribes once welcomed", () => {
    const world = new HandWorld();
    world.connection.subscribe(
      () => ({ kind: "sessions" }),
      () => {},
    );
    world.connection.start();
    world.socket.events.opened();
    expect(world.socket.sent).toEqual([{ type: "hello", protocol: 1 }]);
    world.say({ type: "welcome", protocol: 1, serverTime: 0 });
    expect(world.socket.sent.at(-1)).toEqual({ type: "subscribe", id: "s1", topic: { kind: "sessions" } });
  });

  it("after a break says what the page has by then", () => {
    const world = new HandWorld();
    const have: Record<string, number> = {};
    world.connection.subscribe(
      () => ({ kind: "session", session: "s", have: { ...have } }),
      () => {},
    );
    world.connection.start();
    world.welcome();
    have["run"] = 41;
    world.socket.events.closed("");
    expect(world.connection.state.phase).toBe("waiting");
    world.pass(60_000);
    world.welcome();
    expect(world.sockets).toHaveLength(2);
    expect(world.socket.sent.at(-1)).toMatchObject({ topic: { kind: "session", session: "s", have: { run: 41 } } });
  });

  it("hands a message only to the subscription that it is for, and none to one that was given up", () => {
    const world = new HandWorld();
    const told: string[] = [];
    const keep = (name: string) => (message: TopicMessage) => void told.push(`${name} ${message.type}`);
    const first = world.connection.subscribe(() => ({ kind: "sessions" }), keep("first"));
    world.connection.subscribe(() => ({ kind: "approvals" }), keep("second"));
    world.connection.start();
    world.welcome();
    const [one = "", two = ""] = world.subscribed;
    world.say(resync(two));
    first.renew();
    world.say(resync(one));
    world.say(resync(world.subscribed.at(-1) ?? ""));
    first.end();
    world.say(resync(world.subscribed.at(-1) ?? ""));
    expect(told).toEqual(["second resync", "first resync"]);
  });

  it("answers a ping, and takes silence for a loss", () => {
    const world = new HandWorld();
    world.connection.start();
    world.welcome();
    world.pass(50_000);
    world.say({ type: "ping" });
    expect(world.socket.sent.at(-1)).toEqual({ type: "pong" });
    world.pass(50_000);
    expect(world.connection.state.phase).toBe("open");
    world.pass(10_000);
    expect(world.connection.state.phase).toBe("waiting");
    expect(world.socket.closed).toBe(true);
  });

  it("does not take the late close of an old socket for the loss of the new one", () => {
    const world = new HandWorld();
    world.connection.start();
    const old = world.socket;
    world.pass(10_000);
    expect(old.closed).toBe(true);
    world.pass(15_000);
    world.welcome();
    old.events.closed("");
    old.events.received(JSON.stringify({ type: "ping" }));
    expect(world.connection.state.phase).toBe("open");
  });

  it("tells listeners of each change of its state", () => {
    const world = new HandWorld();
    const phases: string[] = [];
    world.connection.onState(() => phases.push(world.connection.state.phase));
    world.connection.start();
    world.welcome();
    world.say({ type: "ping" });
    world.socket.events.closed("signed_out");
    world.connection.stop();
    expect(phases).toEqual(["connecting", "open", "refused", "stopped"]);
  });

  it("learns how far its clock is from the server's", () => {
    const world = new HandWorld();
    world.connection.start();
    world.now = 1000;
    world.welcome(61_000);
    expect(world.connection.clockOffsetMs).toBe(60_000);
  });

  it("can be started again after a stop, as React does while developing", () => {
    const world = new HandWorld();
    world.connection.start();
    world.connection.stop();
    world.connection.start();
    world.welcome();
    expect(world.connection.state.phase).toBe("open");
    expect(world.sockets.map((socket) => socket.closed)).toEqual([true, false]);
  });
});
