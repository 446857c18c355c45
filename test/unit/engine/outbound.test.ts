import { describe, expect, test } from "vitest";
import { deferred } from "../../../runtime/core/deferred.ts";
import { Outbound, type Leave } from "../../../runtime/engine/outbound.ts";
import { MemoryMessages } from "../../support/memory-messages.ts";

describe("what one attempt sends at the same time", () => {
  test.each([
    ["the last place in a queue", { room: 1, budget: 100 }, { full: "slow" }],
    ["the last message of a session's budget", { room: 100, budget: 1 }, null],
  ])(
    "%s - goes to one, also where it was sent while another one was counting",
    async (_, { room, budget }, refused) => {
      const messages = new MemoryMessages([]);
      const counted = deferred<undefined>();
      let slow = true;
      let sent = 0;
      messages.room = () => Promise.resolve(room - sent);
      messages.budgetLeft = async () => {
        const left = budget - sent;
        if (slow) {
          slow = false;
          await counted.promise;
        }
        return left;
      };
      const outbound = new Outbound(messages, "session");
      const one = outbound.take(["slow"], { bounded: true });
      const other = (await outbound.take(["slow"], { bounded: true })) as Leave;
      sent++;
      other.over();
      counted.resolve(undefined);
      expect(await one).toEqual(refused);
    },
  );
});
