import { setTimeout as delay } from "node:timers/promises";
import { connect } from "nats";
import { expect, test } from "vitest";
import { NatsBus } from "../../../runtime/bus/nats-bus.ts";
import { startTestNats } from "../../support/nats.ts";

/** Shorter than a client of JetStream waits for an answer, and far longer than it takes to close. */
const BEFORE_TIMEOUT_MS = 4_000;

test("a bus whose server does not answer any more - is closed without waiting for an answer", async () => {
  await using nats = await startTestNats();
  const bus = await NatsBus.connect({ access: nats.access, name: "closing", role: "worker" });
  await bus.onWake("desk", () => Promise.resolve());
  await nats.stop();
  await nats.start({ jetStream: false });
  // In the place of JetStream somebody who listens and says nothing: what is asked for is waited for.
  const silent = await connect({ servers: nats.url });
  await new Promise<void>((resolve) => {
    silent.subscribe("$JS.API.>", {
      callback: () => {
        resolve();
      },
    });
  });
  const closed = bus.close().then(() => "closed");
  expect(await Promise.race([closed, delay(BEFORE_TIMEOUT_MS, "still waits")])).toBe("closed");
  await silent.close();
});
