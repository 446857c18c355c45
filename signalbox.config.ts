import { defineConfig } from "signalbox";
import { claimsAgents, claimsPools, claimsSamples } from "./agents/claims/index.ts";

export default defineConfig({
  agents: claimsAgents,
  pools: claimsPools,
  samples: await claimsSamples(),
});
