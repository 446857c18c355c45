import type { FaultCase } from "../case.ts";
import { cancels } from "./cancels.ts";
import { clocks } from "./clocks.ts";
import { disk } from "./disk.ts";
import { kills } from "./kills.ts";
import { leases } from "./leases.ts";
import { messages } from "./messages.ts";
import { nats } from "./nats.ts";
import { postgres } from "./postgres.ts";
import { quarantine } from "./quarantine.ts";
import { services } from "./services.ts";
import { shared } from "./shared.ts";
import { stopping } from "./stopping.ts";
import { times } from "./times.ts";
import { turns } from "./turns.ts";
import { waits } from "./waits.ts";

/** All cases, in the order in which they are run. */
export const CASES: readonly FaultCase[] = [
  ...kills,
  ...waits,
  ...cancels,
  ...times,
  ...turns,
  ...leases,
  ...messages,
  ...nats,
  ...postgres,
  ...clocks,
  ...disk,
  ...stopping,
  ...quarantine,
  ...services,
  ...shared,
];
